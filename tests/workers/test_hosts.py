"""Several hosts: workers with a root each, on one machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from codeai.activities.claims import PATIENCE
from codeai.persistence.engine import Database
from codeai.persistence.hosts import Hosts
from codeai.workflows.contracts.executions import Carried
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


async def test_a_step_that_no_host_has_taken_says_so(
    host: Callable[..., Host], flows: None, temporal: Client
) -> None:
    host("plain")
    ran = await begin(temporal, 'exec(queue: "gpu") { echo trained }')

    async def placed() -> list[bool]:
        return [one["placed"] for one in (await ran.query("state")).get("pending", [])]

    async with asyncio.timeout(60):
        while await placed() != [False]:
            await asyncio.sleep(0.1)
    host("gpu", "--label gpu")
    assert await result(ran) is None


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
        if what == "timers" { for n in range(60) { sleep("300ms") } }
        else { return %s }
    }
    """
    programs = {"rerun": "return " + ours, "fails": fails, "continues": both % ours}
    runs = {}
    for name, program in programs.items():
        given = f'var said = "{effects}/{name}"\nexec {{ touch other }}\napprove("go on?")\n'
        runs[name] = await begin(temporal, given + program)
    for run in runs.values():
        while await run.query("status") != "waiting":
            await asyncio.sleep(0.05)
    first.end()
    for run in runs.values():
        await run.execute_update("approve", {})
    host("second", **small)
    assert await result(runs["rerun"]) == "1"  # a fresh workspace: nothing but what it made itself
    assert "lost then" in str(await result(runs["fails"]))
    assert (await result(runs["continues"]))[1] == "1"
    described = await runs["continues"].describe()
    assert described.run_id != runs["continues"].first_execution_run_id  # it continued as new meanwhile
    said = {name: (effects / name).read_text().splitlines() for name in programs}
    assert said == {"rerun": ["2"], "fails": ["undo lost"], "continues": ["2"]}


async def test_a_silence_is_measured_on_while_the_run_continues_as_new(
    host: Callable[..., Host], flows: None, temporal: Client, tmp_path: Path
) -> None:
    """The host dies before it takes the command; the run continues as new all the time until it is given up."""
    small = {"CODEAI_WORKER_SOFT_EVENTS": "30", "CODEAI_WORKER_HARD_EVENTS": "40"}
    first, said = host("first", **small), tmp_path / "said"
    run = await begin(
        temporal,
        f"""
        exec {{ touch other }}
        approve("go on?")
        return parallel for what in ["timers", "command"] {{
            if what == "timers" {{ for n in range(90) {{ sleep("300ms") }} }}
            else {{ return exec(on_lost: "rerun") {{ echo "$CODEAI_ATTEMPT" | tee -a "{said}" }} }}
        }}
        """,
    )
    while await run.query("status") != "waiting":
        await asyncio.sleep(0.05)
    first.end()
    await run.execute_update("approve", {})
    host("second", **small)
    assert (await result(run))[1] == "2"
    assert said.read_text() == "2\n"
    silences = [one for one in await carried(temporal, run) if one.silent]
    assert silences, "it never continued as new while the host was silent"
    assert len({since for one in silences for since in one.silent.values()}) == 1


async def carried(temporal: Client, run: WorkflowHandle[Any, Any]) -> list[Carried]:
    """What each of the runs after the first was given by the one before."""
    found = []
    run_id: str | None = run.first_execution_run_id
    while run_id:
        history = await temporal.get_workflow_handle(run.id, run_id=run_id).fetch_history()
        begun, ended = history.events[0], history.events[-1]
        given = json.loads(begun.workflow_execution_started_event_attributes.input.payloads[0].data)
        if given.get("carried"):
            found.append(Carried.model_validate(given["carried"]))
        run_id = ended.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return found


async def test_a_run_that_finds_every_slot_taken_goes_to_the_next_host_with_a_free_one(
    host: Callable[..., Host], flows: None, temporal: Client, tmp_path: Path
) -> None:
    settings = {"CODEAI_WORKER_COMMANDS_AT_ONCE": "2", "CODEAI_WORKER_HOST_LOST_AFTER": "10m"}
    said, go = tmp_path / "said", tmp_path / "go"
    command = f"""
        echo "+1 $CODEAI_WORKSPACE" >> "{said}"
        until [ -e "{go}" ]; do sleep 0.05; done
        echo "-1 $CODEAI_WORKSPACE" >> "{said}"
    """

    def steps() -> list[tuple[int, Path]]:
        lines = said.read_text().splitlines() if said.exists() else []
        return [(int(change), Path(place)) for change, _, place in (line.partition(" ") for line in lines)]

    async def begun(count: int) -> None:
        async with asyncio.timeout(60):
            while len(steps()) < count:
                await asyncio.sleep(0.05)

    first = host("first", **settings)
    runs = [await begin(temporal, f"exec {{ {command} }}") for _ in range(2)]
    await begun(2)
    runs += [await begin(temporal, f"exec {{ {command} }}") for _ in range(4)]
    second = host("second", **settings)
    await begun(4)
    go.touch()
    await asyncio.gather(*(run.result() for run in runs))
    assert len(steps()) == 12
    for one in (first, second):
        changes = [change for change, place in steps() if place.is_relative_to(one.root)]
        busy = [sum(changes[: at + 1]) for at in range(len(changes))]
        assert max(busy) == 2 and busy[-1] == 0, (one.root, busy)


async def test_what_a_waiting_run_holds_is_free_for_others_when_they_have_asked_a_few_times(
    host: Callable[..., Host], flows: None, temporal: Client
) -> None:
    host("only", CODEAI_WORKER_COMMANDS_AT_ONCE="1", CODEAI_WORKER_HOST_LOST_AFTER="10m")
    waiting = await begin(temporal, 'sleep("1h")')
    async with asyncio.timeout(60):
        while await waiting.query("status") != "waiting":
            await asyncio.sleep(0.05)
    run = await begin(temporal, "return exec { echo here }")
    assert await result(run) == "here"
    started = [
        event.activity_task_started_event_attributes
        for event in (await run.fetch_history()).events
        if event.HasField("activity_task_started_event_attributes")
    ]
    assert started[0].attempt == PATIENCE and "every slot is taken" in started[0].last_failure.message
    await waiting.cancel()
