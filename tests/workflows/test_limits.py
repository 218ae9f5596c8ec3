"""Runs at Temporal's limits, on the server that skips time: what is sent, how much of it at once, how they end. Breaks
if a run is ended by Temporal, which undoes nothing, or goes on for ever."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    WorkflowContinuedAsNewError,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from codeai.dsl.compile import compile_source
from codeai.dsl.program import pack
from codeai.workflows import compensation
from codeai.workflows.contracts.commands import Checked, CheckInput
from codeai.workflows.contracts.events import EmitInput, EmitResult
from codeai.workflows.contracts.executions import Budget
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
from codeai.workflows.contracts.queues import EXEC, exec_on
from codeai.workflows.contracts.records import (
    CheckpointInput,
    ClaimInput,
    ClaimResult,
    CloseInput,
    LoadInput,
    LoadResult,
    NotesInput,
    Nothing,
    UndoableStep,
    UndoEntriesInput,
    UndoEntriesResult,
)
from codeai.workflows.contracts.shell import CommandInput, CommandResult, Outcome
from codeai.workflows.contracts.steps import Notes
from codeai.workflows.execute_deployment import ExecuteDeployment

TEXT = "function text(of, n) { var s = of  while len(s) < n { s += s }  return s }\n"
Handle = WorkflowHandle[Any, Any]


@dataclass
class World:
    """What stands around a run: it keeps what commands were sent with, and has undo blocks fail."""

    program: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    notes: list[Notes] = field(default_factory=list)
    closed: list[CloseInput] = field(default_factory=list)
    entries: dict[int, CommandInput] = field(default_factory=dict)

    @activity.defn(name="load_program")
    async def load(self, _given: LoadInput) -> LoadResult:
        code = compile_source(self.program).code
        assert code is not None
        return LoadResult(program_hash=self.program, code=pack(code), inputs=self.inputs)

    @activity.defn(name="claim_host")
    async def claim(self, _given: ClaimInput) -> ClaimResult:
        return ClaimResult(host="h", spool="s", budget=self.budget)

    @activity.defn(name="run_command")
    async def run(self, given: CommandInput) -> CommandResult:
        self.notes.append(given.notes)
        if given.kind == "undo":
            return CommandResult(
                outcome=Outcome.FAILED, attempt=given.attempt, exit_code=1, stderr="x" * 60_000, recorded=True
            )
        self.entries[given.seq] = given
        return CommandResult(outcome=Outcome.SUCCEEDED, attempt=given.attempt, recorded=True)

    @activity.defn(name="undo_entries")
    async def undo(self, given: UndoEntriesInput) -> UndoEntriesResult:
        found = [(step, self.entries[step].undo) for step in given.steps]
        steps = tuple(
            UndoableStep(seq=step, outcome="succeeded", entry=entry)
            for step, entry in found
            if entry is not None
        )
        return UndoEntriesResult(steps=steps)

    @activity.defn(name="emit_event")
    async def emit(self, given: EmitInput) -> EmitResult:
        self.notes.append(given.notes)
        return EmitResult(id="11111111-1111-4111-8111-111111111111")

    @activity.defn(name="write_notes")
    async def write(self, given: NotesInput) -> Nothing:
        self.notes.append(given.notes)
        return Nothing()

    @activity.defn(name="check_decision")
    async def check(self, _given: CheckInput) -> Checked:
        return Checked()

    @activity.defn(name="save_checkpoint")
    async def save(self, given: CheckpointInput) -> Nothing:
        self.notes.append(given.notes)
        return Nothing()

    @activity.defn(name="close_execution")
    async def close(self, given: CloseInput) -> Nothing:
        self.notes.append(given.notes)
        self.closed.append(given)
        return Nothing()


@dataclass
class Runs:
    """Runs programs in a world."""

    server: WorkflowEnvironment
    world: World

    async def start(self, program: str, **asked: Any) -> Handle:
        self.world.program = program
        return await self.server.client.start_workflow(
            EXECUTE_DEPLOYMENT.type,
            {"program": "given", **asked},
            id="execution/limits",
            task_queue=EXECUTE_DEPLOYMENT.queue,
        )

    async def result(self, program: str, **asked: Any) -> Any:
        return (await (await self.start(program, **asked)).result())["result"]

    async def failed(self, program: str, **asked: Any) -> ApplicationError:
        with pytest.raises(WorkflowFailureError) as caught:
            await self.result(program, **asked)
        assert isinstance(caught.value.cause, ApplicationError), caught.value.cause
        return caught.value.cause


@pytest.fixture
async def runs(server: WorkflowEnvironment, without_attributes: None) -> AsyncIterator[Runs]:
    world = World()
    of_host = [world.run]
    records = [world.load, world.undo, world.emit, world.write, world.check, world.save, world.close]

    @asynccontextmanager
    async def worker(queue: str, activities: list[Callable[..., Any]]) -> AsyncIterator[None]:
        workflows = [ExecuteDeployment] if queue == EXECUTE_DEPLOYMENT.queue else []
        async with Worker(
            server.client,
            task_queue=queue,
            workflows=workflows,
            activities=activities,
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            yield

    async with (
        worker(EXECUTE_DEPLOYMENT.queue, records),
        worker(EXEC, [world.claim]),
        worker(exec_on("h"), of_host),
    ):
        yield Runs(server, world)


async def test_commands_that_begin_at_once_are_sent_in_tasks_that_temporal_takes(runs: Runs) -> None:
    program = (
        TEXT
        + """
        var s = text("0123456789abcdef", 32768)
        return len(parallel(limit: 80) for i in range(80) { exec { echo $s } undo { echo $s } })
    """
    )
    assert await runs.result(program) == 80


async def test_what_a_command_takes_along_of_a_log_fits_its_input(runs: Runs) -> None:
    handle = await runs.start(
        TEXT + 'var s = text("\\u{1}", 65536)\nfor i in range(7) { log(s) }\nexec { true }'
    )
    await handle.result()
    assert sum(len(notes.lines) for notes in runs.world.notes) == 7
    sent = [
        len(event.activity_task_scheduled_event_attributes.input.payloads[0].data)
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    assert max(sent) < 2 * 2**20


async def test_a_command_that_cannot_be_sent_is_an_error_of_the_program(runs: Runs) -> None:
    program = (
        TEXT
        + """
        var s = text("\\u{1}", 32768)
        var a = s  var b = s  var c = s  var d = s  var e = s
        exec(env: {A: a, B: b, C: c, D: d, E: e}) { true } undo { true }
    """
    )
    error = await runs.failed(program)
    assert error.type == "limit" and "too large to be sent" in error.message


async def test_a_result_that_temporal_does_not_take_is_an_error_and_what_was_done_is_undone(
    runs: Runs,
) -> None:
    program = (
        TEXT
        + """
        exec { true } undo(retry: 0) { true }
        var s = text("\\u{1}", 131072)
        return [s, s, s, s]
    """
    )
    error = await runs.failed(program)
    assert error.type == "limit" and "what the program returns" in error.message
    assert len(error.details[0]["undo_failed"]) == 1


async def test_a_run_ends_however_many_undo_blocks_fail_and_whatever_they_write(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compensation, "MOST_FAILED", 30)
    error = await runs.failed('for i in range(36) { exec { true } undo(retry: 0) { true } }\nfail("x")')
    told = error.details[0]["undo_failed"]
    assert len(json.dumps(told)) < 20_000
    assert told[0] == {"line": 1, "message": "exit code 1: " + "x" * 200}
    assert told[30] == {"line": 1, "message": "and 6 undo blocks more; their steps say why"}


async def test_an_error_that_temporal_does_not_take_is_told_shortly(runs: Runs) -> None:
    program = (
        TEXT
        + """
        var s = text("\\u{1}", 65536)
        parallel(on_error: "collect") for i in range(6) { fail(s) }
    """
    )
    error = await runs.failed(program)
    assert error.type == "failed" and error.message.startswith("6 of 6 iterations failed")
    assert len(json.dumps(error.details[0])) < 2**20


async def test_inputs_that_cannot_be_sent_on_are_refused(runs: Runs) -> None:
    # A deployment's inputs and those of its start, each of 1 MiB.
    names = [f"p{n}" for n in range(10)]
    runs.world.inputs = dict.fromkeys(names[:5], "x" * 200_000)
    program = "".join(f"param {name}\n" for name in names)
    error = await runs.failed(program, inputs=dict.fromkeys(names[5:], "x" * 200_000))
    assert error.type == "limit" and "inputs" in error.message


async def test_a_request_may_be_repeated_as_often_as_numbers_say(runs: Runs) -> None:
    handle = await runs.start(f'http("GET", "http://localhost/", retry: {2**62})')
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert runs.world.closed[0].status == "cancelled"


async def test_a_run_that_waits_goes_on_as_new_however_much_is_said_to_it(runs: Runs) -> None:
    runs.world.budget = Budget(soft_events=40)
    handle = await runs.start('return approve("ok?").comment')
    for _ in range(12):
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update("approve", {"step": 7})
    await goes_on_as_new(runs, handle)
    await handle.execute_update("approve", {"comment": "yes"})
    assert (await handle.result())["result"] == "yes"


async def test_a_paused_run_goes_on_as_new_however_much_is_said_to_it(runs: Runs) -> None:
    runs.world.budget = Budget(soft_events=40)
    handle = await runs.start('return approve("ok?").comment')
    while not await handle.query("approvals"):
        pass
    await handle.execute_update("pause", {})
    for _ in range(12):
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update("approve", {"step": 7})
    await goes_on_as_new(runs, handle)
    await handle.execute_update("approve", {"comment": "yes"})
    assert await handle.query("status") == "paused"
    await handle.execute_update("resume", {})
    assert (await handle.result())["result"] == "yes"


async def goes_on_as_new(runs: Runs, handle: Handle) -> None:
    first = runs.server.client.get_workflow_handle(handle.id, run_id=handle.result_run_id)
    with pytest.raises(WorkflowContinuedAsNewError):
        await asyncio.wait_for(first.result(follow_runs=False), 30)


@pytest.mark.parametrize(
    "value",
    [
        {"$secret": [["evil", "x"]]},
        {"$exec": [1, 2, 3, 4, 5, 6]},
        {"$error": [1, 2, 3, 4, 5, None]},
        [{"a": {"$error": ["failed", "why", 1, None, None, [["failed", 2, 1, None, None, None]]]}}],
    ],
)
async def test_values_that_no_program_can_have_are_refused(runs: Runs, value: Any) -> None:
    error = await runs.failed("param a\nexec { echo $a }", values={"a": value})
    assert error.type == "invalid_input"


async def test_a_run_that_is_too_large_to_go_on_as_new_ends_and_is_undone(runs: Runs) -> None:
    names = [f"p{n}" for n in range(4)]
    chance = random.Random(1)
    runs.world.inputs = {name: chance.randbytes(150_000).hex()[:200_000] for name in names}
    runs.world.budget = Budget(soft_events=60)
    program = (
        "".join(f"param {name}\n" for name in names)
        + """
        exec { true } undo(retry: 0) { true }
        for i in range(30) { sleep("1s") }
        return [p0, p1, p2, p3]
    """
    )
    files = {"large": chance.randbytes(800_000).hex()[:1_550_000]}
    error = await runs.failed(program, workspace={"files": files})
    assert error.type == "limit" and "workspace" in error.message
    assert len(error.details[0]["undo_failed"]) == 1
