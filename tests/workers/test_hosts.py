"""Several hosts: workers with a root each, on one machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError

from codeai.persistence.engine import Database
from codeai.persistence.hosts import Hosts
from tests.workers.conftest import Running, Start
from tests.workers.test_run import address, begin

LOST_AFTER = "4s"


@dataclass(frozen=True)
class Host:
    """A worker with a root of its own."""

    root: Path
    worker: Running

    @property
    def id(self) -> str:
        return (self.root / "host").read_text()

    def end(self) -> None:
        """As a machine that is switched off: everything of it at once."""
        for pid in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _processes(self) -> list[int]:
        found = [self.worker.process.pid]
        for proc in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if str(self.root).encode() in (proc / "cmdline").read_bytes():
                    found.append(int(proc.name))
        return found


@pytest.fixture
def host(worker: Start, temporal: Client, tmp_path: Path) -> Callable[..., Host]:
    def started(name: str, options: str = "", **settings: str) -> Host:
        root = tmp_path / name
        given = {"CODEAI_WORKER_ROOT": str(root), "CODEAI_WORKER_HOST_LOST_AFTER": LOST_AFTER}
        running = worker(f"exec {options}", address(temporal), **given | settings)
        running.until_ready()
        return Host(root, running)

    return started


@pytest.fixture
def flows(worker: Start, temporal: Client) -> None:
    worker("workflows", address(temporal)).until_ready()


async def result(run: Any) -> Any:
    """The run's result, or what it failed with."""
    try:
        return (await asyncio.wait_for(run.result(), 120))["result"]
    except WorkflowFailureError as error:
        return error.cause


async def test_a_label_has_its_own_host_and_workspace_also_for_undo(
    host: Callable[..., Host], flows: None, temporal: Client, tmp_path: Path
) -> None:
    plain, gpu = host("plain"), host("gpu", "--label gpu")
    said = tmp_path / "said"
    ran = await begin(
        temporal,
        f"""
        exec {{ touch here }}
        exec(queue: "gpu") {{ touch there; ls > "{said}" }} undo {{ pwd >> "{said}"; ls >> "{said}" }}
        exec(queue: "gpu") {{ ls }}
        exec {{ ls; test -e here }}
        fail("enough")
        """,
    )
    failed = await result(ran)
    assert failed.message == "failed: enough" or "enough" in str(failed)
    listed, folder, *again = said.read_text().splitlines()
    assert (listed, again) == ("there", ["there"])
    assert folder.startswith(str(gpu.root)) and folder.endswith("@gpu/work")
    assert plain.id != gpu.id


async def test_a_host_tells_the_labels_of_all_its_workers_and_its_slots(
    host: Callable[..., Host], flows: None, temporal: Client, database: Database, tmp_path: Path
) -> None:
    two_slots = {"CODEAI_WORKER_COMMANDS_AT_ONCE": "2", "CODEAI_WORKER_HOST_LOST_AFTER": "10m"}
    first = host("both", **two_slots)
    gpu = host("both", "--label gpu", **two_slots)
    assert gpu.id == first.id

    async def told(labels: list[str], taken: int) -> None:
        async with asyncio.timeout(30):
            while True:
                async with database.session() as rows:
                    seen = await Hosts(rows).seen_since(datetime.min.replace(tzinfo=UTC), 10)
                if [(one.labels, one.slots, one.slots_taken) for one in seen] == [(labels, 2, taken)]:
                    return
                await asyncio.sleep(0.1)

    await told(["", "gpu"], 0)
    go = tmp_path / "go"
    waits = await begin(temporal, f'exec {{ until [ -e "{go}" ]; do sleep 0.1; done }}')
    await told(["", "gpu"], 1)
    gpu.worker.stop()
    await told([""], 1)
    go.touch()
    await result(waits)
    await told([""], 0)


async def test_a_step_waits_for_a_runner_with_its_label(
    host: Callable[..., Host], flows: None, temporal: Client
) -> None:
    host("plain")
    refused = await begin(temporal, 'try { exec(queue: "a b") { true } } catch e { return e.kind }')
    assert await result(refused) == "value_error"
    waits = await begin(temporal, 'log("on")\nreturn exec(queue: "late") { echo ran }')
    cancelled = await begin(temporal, 'exec(queue: "late") { echo never }')
    await asyncio.sleep(0.5)
    await cancelled.cancel()
    assert "cancel" in str(await result(cancelled)).lower()
    host("late", "--label late")
    assert await result(waits) == "ran"


async def test_a_host_that_is_gone_is_given_up_and_its_runs_go_on_elsewhere(
    host: Callable[..., Host], flows: None, temporal: Client, tmp_path: Path
) -> None:
    """What freezing and killing in mid-command do takes longer: `make soak`, item frozen_hosts."""
    small = {"CODEAI_WORKER_SOFT_EVENTS": "60", "CODEAI_WORKER_HARD_EVENTS": "90"}
    first, effects = host("first", **small), tmp_path / "effects"
    effects.mkdir()
    ours = 'exec(on_lost: "rerun") { touch ours; ls | wc -l; echo "$CODEAI_ATTEMPT" >> "$said" }'
    fails = (
        'try { exec { echo never } undo { echo "undo $CODEAI_STEP_OUTCOME" >> "$said" } } '
        'catch e { log(e.message) fail(e.kind + exec { echo " then" }) }'
    )
    both = """
    return parallel for what in ["timers", "command"] {
        if what == "timers" { for n in range(30) { sleep("300ms") } }
        else { return %s }
    }
    """
    programs = {"rerun": "return " + ours, "fails": fails, "continues": both % ours}
    runs = {}
    for name, program in programs.items():
        given = f'var said = "{effects}/{name}"\nexec {{ touch other }}\nsleep("3s")\n'
        runs[name] = await begin(temporal, given + program)
    for run in runs.values():
        while (await run.query("progress"))["steps"] < 2:  # the first command is over, and its end known
            await asyncio.sleep(0.05)
    first.end()
    host("second", **small)
    assert await result(runs["rerun"]) == "1"  # a fresh workspace: nothing but what it made itself
    assert "lost then" in str(await result(runs["fails"]))
    assert (await result(runs["continues"]))[1] == "1"
    described = await runs["continues"].describe()
    assert described.run_id != runs["continues"].first_execution_run_id  # it continued as new meanwhile
    said = {name: (effects / name).read_text().splitlines() for name in programs}
    assert said == {"rerun": ["2"], "fails": ["undo lost"], "continues": ["2"]}
