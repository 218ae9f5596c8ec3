"""Commands with secrets: they have them, and nobody sees them in what the command leaves behind."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from codeai import sealing
from codeai.activities.masking import forms
from codeai.activities.secrets import Secrets
from codeai.activities.shell import formats
from codeai.activities.shell.formats import Confided
from codeai.activities.shell.host import ShellHost
from codeai.activities.shell.settings import ShellSettings
from codeai.activities.shell.spool import Absent
from codeai.activities.unsealing import Keys
from codeai.persistence import secrets
from codeai.persistence.audit import Audit
from codeai.persistence.engine import Database
from codeai.persistence.pages import Page
from codeai.workflows.contracts.queues import exec_on
from codeai.workflows.contracts.secrets import key_id_of
from codeai.workflows.contracts.shell import Outcome
from codeai.workflows.contracts.steps import SecretText
from tests.activities.shell.bench import Bench
from tests.activities.shell.conftest import Here, Rig
from tests.activities.shell.rig import QUEUE, Commands, step

pytestmark = pytest.mark.timeout(60)

VALUE = "S3cr3t+pack/value=1"
BASE64 = base64.b64encode(VALUE.encode()).decode()
PRIVATE = sealing.new_private()


def told(*hidden: str, files: dict[str, bytes] | None = None, **env: str) -> Confided:
    return Confided(env, files or {}, *forms(hidden or (VALUE,)))


def on_disk(folder: Path) -> bytes:
    """All that the files below the folder hold."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_what_a_command_prints_is_masked_before_it_is_written(bench: Bench) -> None:
    text = 'echo "plain: $s"; printf %s "$s" | base64; echo "err: $s" >&2; printf "$s" | wc -c; exit 3'
    run = await bench.begin(text, confided=told(s=VALUE))
    result = await run.result()
    assert (result.stdout, result.stderr, result.exit_code) == ("plain: ***\n***\n19", "err: ***", 3)
    assert run.log() == "plain: ***\n***\n19\nerr: ***\n" or "err: ***" in run.log()
    left = on_disk(bench.spool.path)
    assert VALUE.encode() not in left and BASE64.encode() not in left


async def test_a_secret_that_is_printed_in_pieces_is_masked(bench: Bench) -> None:
    run = await bench.begin(
        'printf "a ${s:0:5}"; sleep 0.25; printf "${s:5:7}"; sleep 0.25; echo "${s:12} b"',
        confided=told(s=VALUE),
    )
    assert (await run.result()).stdout == "a *** b"
    assert run.log() == "a *** b\n"


async def test_no_cut_leaves_a_piece_of_a_secret(bench: Bench) -> None:
    text = 'printf "0123$s.$s"; printf "$s.${s}6789" >&2'
    run = await bench.begin(text, ShellSettings(log_limit=9), told(s=VALUE), capture=9)
    result = await run.result()
    assert (result.stdout, result.stderr, result.truncated) == ("0123***.*", "*.***6789", True)
    assert "S3" not in run.log() and "=1" not in run.log()


async def test_while_it_runs_its_files_and_its_environment_alone_have_them(bench: Bench) -> None:
    text = 'stat -c %a "$CODEAI_FILES/token"; wc -c < "$CODEAI_FILES/token"; echo here; sleep 30'
    run = await bench.begin(text, confided=told(s=VALUE, files={"token": VALUE.encode()}))
    await run.prints("600\n19\nhere\n")
    kept = (run.attempt.files / "token").read_bytes()
    assert kept == VALUE.encode() and on_disk(bench.spool.path).count(kept) == 1
    environment = Path(f"/proc/{run.pid()}/environ").read_bytes()
    assert f"s={VALUE}".encode() in environment.split(b"\0")
    assert VALUE.encode() not in Path(f"/proc/{run.pid('supervisor')}/environ").read_bytes()
    run.attempt.say(formats.CANCEL)
    await run.result()
    assert VALUE.encode() not in on_disk(bench.spool.path)


async def test_a_supervisor_that_dies_leaves_no_file_of_them(bench: Bench) -> None:
    run = await bench.begin("echo here; sleep 30", confided=told(files={"token": VALUE.encode()}))
    await run.prints("here")
    os.kill(run.pid("supervisor"), signal.SIGKILL)
    await run.result()
    run.attempt.kill_rest()
    assert VALUE.encode() not in on_disk(bench.spool.path)


async def test_the_longest_secrets_arrive_whole(bench: Bench) -> None:
    long = "x" * 60_000
    given = told(long, a=long, b=long, files={f"f{n}": os.urandom(65_536) for n in range(8)})
    text = 'printf "$a$b" | wc -c; cat "$CODEAI_FILES"/* | wc -c; echo "$b"'
    result = await (await bench.begin(text, confided=given)).result()
    assert result.stdout == "120000\n524288\n***"


# With Temporal and the stored secrets


@pytest.fixture
async def opener(database: Database) -> Secrets:
    for name, value in {"token": VALUE, "long": "long " * 13_000}.items():
        sealed = sealing.seal(sealing.public_of(PRIVATE), name, value)
        async with database.transaction() as rows:
            await secrets.Secrets(rows).put(secrets.NewSecret(name, sealed, key_id_of(sealed)))
    return Secrets(database, Keys([PRIVATE]))


@pytest.fixture
async def with_secrets(rig: Rig, opener: Secrets) -> AsyncIterator[Here]:
    host = ShellHost(rig.root, rig.client, rig.record, ShellSettings(), opener)
    await host.start()
    flows = Worker(
        rig.client, task_queue=QUEUE, workflows=[Commands], workflow_runner=UnsandboxedWorkflowRunner()
    )
    async with flows, Worker(rig.client, task_queue=exec_on(host.id), activities=host.activities()):
        yield Here(rig, host)
        await host.detach()


def of(*parts: tuple[str, str]) -> SecretText:
    return SecretText.model_validate({"parts": parts})


BEARER = of(("text", "Bearer "), ("secret", "token"))
TOKEN = of(("secret", "token"))


async def test_a_step_has_its_secrets_and_nobody_else_sees_them(
    with_secrets: Here, database: Database
) -> None:
    text = 'echo "$auth $n"; cat "$CODEAI_FILES/netrc"; test "$auth" = "Bearer $(cat $CODEAI_FILES/netrc)"; false'
    given = step(text, env={"n": "1"}, secrets={"auth": BEARER}, secret_files={"netrc": TOKEN})
    (result,) = await with_secrets.run(given)
    assert (result.outcome, result.stdout) == (Outcome.FAILED, "Bearer *** 1\n***")
    assert with_secrets.record.text(given.step_id) == "Bearer *** 1\n***"
    assert VALUE.encode() not in on_disk(with_secrets.rig.root.parent)
    history = await with_secrets.rig.client.get_workflow_handle(given.workflow_id).fetch_history()
    assert (
        VALUE not in history.to_json() and base64.b64encode(VALUE.encode()).decode() not in history.to_json()
    )
    async with database.session() as rows:
        (line,) = (await Audit(rows).page(Page())).items
    assert (line.action, line.entity) == ("open", "secret/token")


async def test_what_an_earlier_step_was_given_stays_hidden(with_secrets: Here) -> None:
    first = step('printf "$s" > kept', secrets={"s": TOKEN})
    later = step("cat kept", execution_id=first.execution_id, hidden=["token"], use_secrets=False)
    _, result = await with_secrets.run(first, later)
    assert result.stdout == "***"


@pytest.mark.parametrize(
    ("more", "kind", "said"),
    [
        ({"secrets": {"s": of(("secret", "unknown"))}}, "not_found", "no secret 'unknown'"),
        ({"secrets": {"s": TOKEN}, "use_secrets": False}, "value_error", "secrets:use"),
        ({"secrets": {"s": of(("secret", "long"), ("text", "x" * 999))}}, "value_error", "files:"),
        ({"secrets": {"a=b": TOKEN}}, "value_error", "no name of an environment variable"),
        ({"secret_files": {"../up": TOKEN}}, "value_error", "no file name"),
    ],
)
async def test_a_step_that_cannot_have_its_secrets_never_starts(
    with_secrets: Here, more: dict[str, Any], kind: str, said: str
) -> None:
    (result,) = await with_secrets.run(step("touch ran", **more))
    assert (result.outcome, result.started) == (Outcome.FAILED, False)
    assert result.error is not None and result.error.kind == kind and said in result.error.message


async def test_a_worker_that_adopts_a_step_which_was_not_started_opens_its_secrets_again(
    rig: Rig, opener: Secrets
) -> None:
    async def host() -> ShellHost:
        made = ShellHost(rig.root, rig.client, rig.record, ShellSettings(commands_at_once=1), opener)
        await made.start()
        return made

    first, flows = (
        await host(),
        Worker(
            rig.client, task_queue=QUEUE, workflows=[Commands], workflow_runner=UnsandboxedWorkflowRunner()
        ),
    )
    async with flows:
        async with Worker(rig.client, task_queue=exec_on(first.id), activities=first.activities()):
            busy, given = (
                step("while [ ! -e go ]; do sleep 0.02; done"),
                step('echo "$s"', secrets={"s": TOKEN}),
            )
            await rig.start(busy)
            waiting = await rig.start(given)
            attempt = rig.spool.attempt(given)
            async with asyncio.timeout(20):
                while not attempt.prepared:
                    await asyncio.sleep(0.01)
            assert isinstance(attempt.look(), Absent)
            assert VALUE.encode() not in on_disk(rig.root)
            await first.detach()
        second = await host()
        async with Worker(rig.client, task_queue=exec_on(second.id), activities=second.activities()):
            (rig.root / "runs" / busy.execution_id / "work" / "go").touch()
            (result,) = await asyncio.wait_for(waiting.result(), 20)
            assert result.stdout == "***"
            await second.detach()
