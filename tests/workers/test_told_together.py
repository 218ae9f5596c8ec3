"""A workflow that another worker takes up at an update, behind tasks that left no command, is told of both at once.
Breaks if it then does what no replay does (docs/decisions/0007-a-question-takes-no-run-further.md)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from codeai.dsl.compile import compile_source
from codeai.dsl.program import pack
from codeai.workers.runner import QuietRunner
from codeai.workflows import lane as lane_module
from codeai.workflows import settling
from codeai.workflows.contracts.executions import Budget
from codeai.workflows.contracts.hosts import KillInput, KillResult
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT, LANE, TASK_TIMEOUT
from codeai.workflows.contracts.lanes import (
    LaneAnswer,
    Told,
    Turn,
    TurnFound,
    TurnInput,
    TurnsKnown,
    TurnsWanted,
    Whereabouts,
)
from codeai.workflows.contracts.queues import EXEC, control_on
from codeai.workflows.contracts.records import (
    CheckpointInput,
    ClaimInput,
    ClaimResult,
    CloseInput,
    LoadInput,
    LoadResult,
    NotesInput,
    Nothing,
)
from codeai.workflows.execute_deployment import ExecuteDeployment
from codeai.workflows.lane import Lane
from tests.workflows.test_replay import replayer

CODE = compile_source('sleep("1900ms")\n').code
assert CODE is not None
ENOUGH = 15
"""Events that a run has when its program's timer has fired; while it waits for that, ten of them do not count."""
Local = Callable[..., Coroutine[Any, Any, Any]]
STARTED, FIRED = EventType.EVENT_TYPE_TIMER_STARTED, EventType.EVENT_TYPE_TIMER_FIRED
SIGNALLED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
SCHEDULED = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
DONE = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED


def worker(client: Client, kind: type, *local: Local, keeps: int) -> Worker:
    """Has so many workflows in memory; one that keeps none takes each up from its history with every task."""
    runner = QuietRunner()
    made = Worker(
        client,
        task_queue=EXECUTE_DEPLOYMENT.queue,
        workflows=[kind],
        activities=local,
        workflow_runner=runner,
        max_cached_workflows=keeps,
        no_remote_activities=True,
    )
    runner.serve(made)
    return made


@activity.defn(name="load_program")
async def load(given: LoadInput) -> LoadResult:
    assert CODE is not None
    return LoadResult(program_hash="sleeps", code=pack(CODE))


@activity.defn(name="claim_host")
async def claim(given: ClaimInput) -> ClaimResult:
    return ClaimResult(host="h", spool="s", budget=Budget(soft_events=ENOUGH))


@activity.defn(name="write_notes")
async def write(given: NotesInput) -> Nothing:
    return Nothing()


@activity.defn(name="save_checkpoint")
async def save(given: CheckpointInput) -> Nothing:
    return Nothing()


@activity.defn(name="close_execution")
async def close(given: CloseInput) -> Nothing:
    return Nothing()


async def test_a_word_to_a_run_that_is_about_to_continue_as_new(
    temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has seen that nothing is said to it, and waits for a trip of the word before."""
    monkeypatch.setattr(settling, "TRIP", 6.0)
    ours = (load, write, save, close)
    async with Worker(temporal, task_queue=EXEC, activities=[claim]):
        async with worker(temporal, ExecuteDeployment, *ours, keeps=0):
            started = await temporal.start_workflow(
                EXECUTE_DEPLOYMENT.type,
                {},
                id=f"anew/{uuid.uuid4()}",
                task_queue=EXECUTE_DEPLOYMENT.queue,
                task_timeout=TASK_TIMEOUT,
                start_signal="resume",
                start_signal_args=[{}],
            )
            run = temporal.get_workflow_handle(started.id, run_id=started.first_execution_run_id)
            await has(run, STARTED, 2)  # of the program, and of the trip
            await run.signal("granted", {})  # of which nothing follows
            await has(run, SIGNALLED, 2)
            await has(run, FIRED, 1)
        async with worker(temporal, ExecuteDeployment, *ours, keeps=9):
            assert (await run.execute_update("resume", {}))["status"] == "running"
            assert (await started.result())["status"] == "complete"
    await replayer().replay_workflow(await run.fetch_history())


@dataclass
class Runs:
    """Those that a lane follows, calls and sends away: the first one has ended, and its commands run on."""

    dead: asyncio.Event = field(default_factory=asyncio.Event)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    @activity.defn(name="find_turns")
    async def find(self, given: TurnsWanted) -> TurnsKnown:
        return TurnsKnown()

    @activity.defn(name="look_at_turn")
    async def look(self, given: TurnInput) -> TurnFound:
        return TurnFound(running=False, commands=(Whereabouts(execution="e1", host="h"),))

    @activity.defn(name="kill_commands")
    async def kill(self, given: KillInput) -> KillResult:
        await self.dead.wait()
        return KillResult(commands=())

    @activity.defn(name="cancel_turn")
    async def cancel(self, given: TurnInput) -> Told:
        await self.heard.wait()
        return Told(told=True)

    @activity.defn(name="grant_turn")
    async def grant(self, given: TurnInput) -> Told:
        return Told(told=True)


async def test_a_question_to_a_lane_whose_holder_is_gone(
    temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is busy sending the holder away when the last command of that is dead."""
    monkeypatch.setattr(lane_module, "LOOK", timedelta(seconds=1))
    runs = Runs()
    async with (
        Worker(temporal, task_queue=LANE.queue, activities=[runs.cancel, runs.grant]),
        Worker(temporal, task_queue=control_on("h"), activities=[runs.kill]),
    ):
        async with worker(temporal, Lane, runs.find, runs.look, keeps=0):
            lane = await temporal.start_workflow(
                LANE.type,
                id=LANE.workflow_id(str(uuid.uuid4())),
                task_queue=LANE.queue,
                task_timeout=TASK_TIMEOUT,
            )
            assert await ask(lane, 1) == "granted"
            await has(lane, SCHEDULED, 1)
            assert await ask(lane, 2, "replace") == "queued"
            await has(lane, SCHEDULED, 2)
            await lane.signal("release", {"run": "2"})
            await has(lane, SIGNALLED, 1)
            runs.dead.set()
            await has(lane, DONE, 1)
        async with worker(temporal, Lane, runs.find, runs.look, keeps=9):
            assert await ask(lane, 3) == "granted"
            runs.heard.set()
            await has(lane, DONE, 2)
            await lane.terminate()
    await replayer().replay_workflow(await lane.fetch_history())


async def ask(lane: WorkflowHandle[Any, Any], number: int, concurrency: str = "queue") -> str:
    turn = Turn.model_validate(
        {
            "execution": f"e{number}",
            "workflow_id": f"execution/e{number}",
            "run": str(number),
            "since": number,
            "concurrency": concurrency,
        }
    )
    answer = await lane.execute_update("acquire", turn, result_type=LaneAnswer)
    return answer.answer


async def has(handle: WorkflowHandle[Any, Any], kind: int, number: int) -> None:
    """Until a workflow has so many events of the kind, and has been told."""
    async with asyncio.timeout(60):
        while True:
            kinds = [event.event_type for event in (await handle.fetch_history()).events]
            waits = (await handle.describe()).raw_description.HasField("pending_workflow_task")
            if kinds.count(kind) >= number and not waits:
                return
            await asyncio.sleep(0.05)
