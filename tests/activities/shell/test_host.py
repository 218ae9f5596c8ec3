"""Steps through Temporal: what the run hears, what the record holds, what a cancel does."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from codeai.activities.shell import host as hosts
from codeai.activities.shell.spool import Running
from codeai.activities.shell.under_way import kill_all, running
from codeai.workflows.contracts.queues import exec_on
from codeai.workflows.contracts.shell import Outcome, WorkspaceSeed
from tests.activities.shell.conftest import Here
from tests.activities.shell.rig import fork_server, processes_with, step

pytestmark = pytest.mark.timeout(60)


async def test_steps_share_a_workspace_that_the_first_one_seeds(here: Here) -> None:
    more = {"execution_id": str(uuid.uuid4()), "workspace": WorkspaceSeed(files={"seeded": "yes"})}
    results = await here.run(step("cat seeded; echo hello > file", **more), step("cat file", **more))
    assert [result.stdout for result in results] == ["yes", "hello"]


async def test_the_record_holds_a_step_before_it_starts_its_output_and_its_end(here: Here) -> None:
    given = step("echo out; echo err >&2; exit 3")
    [result] = await here.run(given)
    assert (result.outcome, result.exit_code) == (Outcome.FAILED, 3)
    kinds = [fact for fact in ("started", "output", "ended") if here.record.facts(fact, given.step_id)]
    assert kinds == ["started", "output", "ended"]
    assert here.record.facts("started")[0]["host"] == here.host.id
    assert here.record.facts("ended")[0]["outcome"] == "failed"
    assert here.record.text(given.step_id, "stdout") == "out\n"
    assert here.record.text(given.step_id, "stderr") == "err\n"


async def test_output_is_in_the_record_while_the_command_runs(here: Here) -> None:
    given = step("echo early; sleep 1.5; echo late")
    run = await here.start(given)
    await here.started(given)
    while here.record.text(given.step_id) != "early\n":
        await asyncio.sleep(0.01)
    await run.result()
    assert here.record.text(given.step_id) == "early\nlate\n"


async def test_a_time_out_is_an_error_value(here: Here) -> None:
    [result] = await here.run(step("sleep 30", timeout=0.3))
    assert result.error is not None
    assert (result.outcome, result.error.kind) == (Outcome.TIMEOUT, "timeout")


async def test_cancelling_ends_when_everything_is_dead(here: Here) -> None:
    given = step('trap "" TERM; setsid sleep 60 & while true; do sleep 0.1; done')
    run = await here.start(given)
    await here.started(given)
    await run.cancel()
    [result] = await asyncio.wait_for(run.result(), 10)
    assert result.outcome == Outcome.CANCELLED
    assert processes_with(given.step_id) == []
    assert here.record.facts("ended", given.step_id)[0]["outcome"] == "cancelled"


async def test_a_step_that_waits_for_a_slot_can_be_cancelled_and_never_starts(here: Here) -> None:
    holding = [await here.start(step("sleep 60")) for _ in range(4)]
    while running(here.rig.root) < 4:
        await asyncio.sleep(0.01)
    given = step("touch ran")
    waiting = await here.start(given)
    await asyncio.sleep(0.3)
    assert running(here.rig.root) == 4
    await waiting.cancel()
    [result] = await asyncio.wait_for(waiting.result(), 10)
    assert result.outcome == Outcome.CANCELLED
    for run in holding:
        await run.cancel()
    await asyncio.gather(*(run.result() for run in holding))
    assert not (here.rig.root / "runs" / given.execution_id / "work" / "ran").exists()


async def test_what_cannot_be_started_is_an_error_value_and_in_the_record(here: Here) -> None:
    given = step("touch ran", cwd="/")
    [result] = await here.run(given)
    assert result.error is not None
    assert (result.outcome, result.error.kind, result.started) == (Outcome.FAILED, "value_error", False)
    assert here.record.facts("ended", given.step_id)[0]["outcome"] == "failed"


async def test_however_long_what_a_step_cannot_have_its_error_is_short(here: Here) -> None:
    [result] = await here.run(step("touch ran", cwd="far " * 50_000))
    assert result.error is not None and result.error.kind == "value_error"
    assert len(result.error.message) < 2000


async def test_a_folder_outside_the_roots_is_an_error_value(here: Here) -> None:
    [result] = await here.run(step("true", workspace=WorkspaceSeed(folder="/etc")))
    assert result.error is not None and result.error.kind == "value_error"


async def test_a_run_that_came_before_the_host_was_started_anew_hears_lost(here: Here) -> None:
    given = step("touch ran")
    here.rig.spool.id = "of-another-boot"
    [result] = await here.run(given)
    assert result.error is not None
    assert (result.outcome, result.error.kind, result.started) == (Outcome.LOST, "lost", False)


async def test_what_somebody_was_about_to_start_in_a_spool_that_is_gone_may_have_begun(here: Here) -> None:
    """Its row was written before anything was started; whether anything was the disk does not tell any more: a power
    cut takes along what was written last. What it did has to be undone."""
    given = step("touch ran")
    await here.record.started(given, here.host.id, datetime.now(UTC))
    here.rig.spool.id = "of-another-boot"
    [result] = await here.run(given)
    assert (result.outcome, result.started) == (Outcome.LOST, True)


async def test_after_a_reboot_what_ran_is_lost_and_what_had_ended_is_told(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine is switched off under its worker and starts anew: another boot id, no process, the same disk."""
    ran, had_ended = step("sleep 60; touch ran", lost_after=600.0), step("echo told")
    next_one = ran.model_copy(update={"step_id": str(uuid.uuid4())})
    runs = [await here.start(*some) for some in ((ran, next_one), (had_ended,))]
    await here.started(ran)
    await runs[1].result()
    await here.host.detach()
    entry = (here.rig.spool.attempt(ran).folder / "entry").read_text().split()
    os.kill(int(entry[1]), signal.SIGKILL)  # before its command: it would say how that has ended
    for pid in processes_with(ran.execution_id):
        os.kill(pid, signal.SIGKILL)
    os.kill(fork_server(here.rig.spool), signal.SIGKILL)
    monkeypatch.setattr("codeai.activities.shell.spool.boot_id", lambda: "another")
    target = here.rig.client.service_client.config.target_host
    client = await Client.connect(target, data_converter=here.rig.client.data_converter)
    again = hosts.ShellHost(here.rig.root, client, here.rig.record)
    assert (again.id, again.spool_id) == (here.host.id, here.rig.spool.id.rpartition(".")[0] + ".another")
    await again.start()
    async with Worker(client, task_queue=exec_on(again.id), activities=again.activities()):
        results = await asyncio.wait_for(runs[0].result(), 30)
        await again.detach()
    assert [(one.outcome, one.started, one.spool) for one in results] == [
        (Outcome.LOST, True, again.spool_id),
        (Outcome.LOST, False, again.spool_id),
    ]
    assert here.record.facts("ended", had_ended.step_id)[0]["outcome"] == "succeeded"
    assert not list((here.rig.spool.path / "leases").iterdir())
    assert not (here.rig.root / "runs" / ran.execution_id / "work" / "ran").exists()


async def test_a_supervisor_that_dies_is_lost(here: Here) -> None:
    given = step("sleep 60")
    run = await here.start(given)
    await here.started(given)
    entry = here.rig.spool.attempt(given).folder / "entry"
    while "command" not in entry.read_text():
        await asyncio.sleep(0.005)
    os.kill(int(entry.read_text().split()[1]), signal.SIGKILL)
    [result] = await asyncio.wait_for(run.result(), 10)
    assert (result.outcome, result.started) == (Outcome.LOST, True)
    assert processes_with(given.step_id) == []


async def test_while_the_database_is_away_a_command_runs_on_and_its_record_comes_later(here: Here) -> None:
    down = here.record.file.with_suffix(".down")
    given = step('echo one; sleep 0.3; echo two; touch "$CODEAI_WORKSPACE/ended"')
    run = await here.start(given)
    await here.started(given)
    down.touch()
    ended = here.rig.root / "runs" / given.execution_id / "work" / "ended"
    while not ended.exists():
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    assert here.record.facts("ended") == []
    down.unlink()
    [result] = await asyncio.wait_for(run.result(), 10)
    assert result.stdout == "one\ntwo"
    assert here.record.text(given.step_id) == "one\ntwo\n"
    assert here.record.facts("ended")[0]["outcome"] == "succeeded"


async def test_without_the_record_of_its_start_no_command_starts(here: Here) -> None:
    down = here.record.file.with_suffix(".down")
    down.touch()
    given = step("echo on")
    run = await here.start(given)
    await asyncio.sleep(0.5)
    assert not (here.rig.spool.attempt(given).folder / "entry").exists()
    down.unlink()
    assert (await asyncio.wait_for(run.result(), 10))[0].stdout == "on"


async def test_detaching_kills_nothing_and_killing_all_ends_all(here: Here) -> None:
    given = step("echo on; sleep 60")
    await here.start(given)
    await here.started(given)
    await here.host.detach()
    attempt = here.rig.spool.attempt(given)
    assert isinstance(attempt.look(), Running)
    assert running(here.rig.root) == 1
    assert await asyncio.to_thread(kill_all, here.rig.root) == 1
    assert processes_with(given.step_id) == []


async def test_a_run_that_was_terminated_is_let_go_and_its_token_forgotten(here: Here) -> None:
    given = step("sleep 4")
    run = await here.start(given)
    await here.started(given)
    await run.terminate()
    while here.rig.spool.newest_tokens():
        await asyncio.sleep(0.05)
    assert isinstance(here.rig.spool.attempt(given).look(), Running)


async def test_the_newer_token_wins(here: Here) -> None:
    """As after continue-as-new: the same attempt is waited for by another activity."""
    more = {"execution_id": str(uuid.uuid4())}
    given = step('sleep 1; echo "$CODEAI_STEP_ID" >> counter; cat counter', **more)
    first = await here.start(given)
    await here.started(given)
    second = await here.rig.client.start_workflow(
        "Commands",
        args=[here.host.id, [given.model_copy(update={"spool": here.rig.spool.id})]],
        id=str(uuid.uuid4()),
        task_queue="commands",
        result_type=list,
    )
    [result] = await asyncio.wait_for(second.result(), 10)
    assert result["stdout"] == given.step_id
    await first.terminate()


async def test_a_run_that_ends_before_its_command_begins_has_none(here: Here) -> None:
    down = here.record.file.with_suffix(".down")
    down.touch()
    given = step("touch ran")
    run = await here.start(given)
    while not here.rig.spool.newest_tokens():
        await asyncio.sleep(0.01)
    await run.terminate()
    while here.rig.spool.newest_tokens():
        await asyncio.sleep(0.05)
    down.unlink()
    await asyncio.sleep(0.5)
    assert not (here.rig.spool.attempt(given).folder / "entry").exists()


async def test_what_stands_in_the_log_leaves_the_disk(here: Here) -> None:
    given = step("head -c 300000 /dev/zero | tr '\\0' x; echo; echo end >&2; exit 3")
    [result] = await here.run(given)
    folder = here.rig.spool.attempt(given).folder
    async with asyncio.timeout(10):
        while (folder / "output").exists():
            await asyncio.sleep(0.01)
    assert here.record.text(given.step_id) == "x" * 300_000 + "\nend\n"
    assert (folder / "exit").exists() and (result.exit_code, result.stderr) == (3, "end")


async def test_folders_go_when_the_run_has_ended_and_not_before(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codeai.activities.shell.attendants.SWEEP", 0.1)
    swept = asyncio.create_task(here.host._attendants.sweep())
    more = {"execution_id": str(uuid.uuid4())}
    first = step("true", **more)
    run = await here.start(first, step("sleep 0.6", **more))
    torn = step("true")  # by a power cut: of its run nothing is known, and the others go nevertheless
    here.rig.spool.attempt(torn).write_input(torn)
    (here.rig.spool.attempt(torn).folder / "input").write_bytes(b"")
    folder = here.rig.spool.attempt(first).folder
    await asyncio.sleep(0.5)
    assert (folder / "exit").exists()
    await run.result()
    while folder.parent.exists():
        await asyncio.sleep(0.05)
    swept.cancel()


async def test_what_ended_when_nobody_waited_for_it_any_more_is_written_and_not_started_again(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run was terminated while its undo block ran, and is compensated when the block's folder is gone."""
    monkeypatch.setattr("codeai.activities.shell.attendant.HEARTBEAT", 0.1)
    given = step("until [ -e go ]; do sleep 0.02; done; echo said; echo once >> ran; exit 3")
    await here.left_alone(given)
    monkeypatch.setattr("codeai.activities.shell.attendants.SWEEP", 0.1)
    swept = asyncio.create_task(here.host._attendants.sweep())
    while here.rig.spool.attempt(given).folder.exists():
        await asyncio.sleep(0.02)
    swept.cancel()
    assert here.record.text(given.step_id) == "said\n"
    assert [fact["outcome"] for fact in here.record.facts("ended", given.step_id)] == ["failed"]
    [result] = await here.run(given)
    assert (result.outcome, result.exit_code, result.stdout) == (Outcome.FAILED, 3, "said")
    assert (here.rig.root / "runs" / given.execution_id / "work" / "ran").read_text() == "once\n"


async def test_ids_that_are_no_names_of_folders_are_refused(here: Here) -> None:
    with pytest.raises(Exception, match="Workflow execution failed"):
        given = step("true").model_copy(update={"step_id": "../../x"})
        await here.run(given)


def test_a_host_keeps_its_id(tmp_path: Path) -> None:
    assert hosts.host_id(tmp_path) == hosts.host_id(tmp_path)
    assert uuid.UUID(hosts.host_id(tmp_path))
