"""The lane as a workflow, on the server that skips time: what it does with what it decides, over days if need be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from codeai.workflows import lane as lane_module
from codeai.workflows.contracts.hosts import KillInput, KillResult
from codeai.workflows.contracts.kinds import LANE
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
from codeai.workflows.contracts.queues import control_on
from codeai.workflows.lane import Lane
from tests.skipping import skipping_time


@dataclass
class World:
    """The runs as their lane meets them: which are there, which have ended, and what it has told them, in order."""

    ended: set[str] = field(default_factory=set)
    commands: tuple[Whereabouts, ...] = ()
    told: list[str] = field(default_factory=list)
    before: TurnsKnown = field(default_factory=TurnsKnown)
    kills: asyncio.Event = field(default_factory=asyncio.Event)
    dies: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.dies.set()

    @activity.defn(name="grant_turn")
    async def grant(self, given: TurnInput) -> Told:
        if given.turn.run in self.ended:
            return Told(told=False)
        self.told.append(f"grant {given.turn.run}")
        return Told(told=True)

    @activity.defn(name="cancel_turn")
    async def cancel(self, given: TurnInput) -> Told:
        self.told.append(f"cancel {given.turn.run}")
        return Told(told=True)

    @activity.defn(name="find_turns")
    async def find(self, given: TurnsWanted) -> TurnsKnown:
        return self.before

    @activity.defn(name="look_at_turn")
    async def look(self, given: TurnInput) -> TurnFound:
        self.told.append(f"look {given.turn.run}")
        if given.turn.run not in self.ended:
            return TurnFound(running=True)
        return TurnFound(running=False, commands=self.commands)

    @activity.defn(name="kill_commands")
    async def kill(self, given: KillInput) -> KillResult:
        self.told.append(f"kill {given.execution_id}")
        self.kills.set()
        await self.dies.wait()
        return KillResult(commands=())


@dataclass(frozen=True)
class Meeting:
    """A lane, its world, and the server on which both are."""

    server: WorkflowEnvironment
    world: World
    lane: WorkflowHandle[Any, Any]

    async def ask(self, number: int, concurrency: str = "queue") -> str:
        turn = Turn.model_validate(
            {
                "execution": f"e{number}",
                "workflow_id": f"execution/e{number}",
                "run": str(number),
                "since": number,
                "concurrency": concurrency,
            }
        )
        answer = await self.lane.execute_update("acquire", turn, result_type=LaneAnswer)
        return f"{answer.answer} {answer.position or ''}".strip()

    async def release(self, number: int) -> None:
        await self.lane.signal("release", {"run": str(number)})

    async def after(self, seconds: float) -> dict[str, Any]:
        await self.server.sleep(timedelta(seconds=seconds))
        found: dict[str, Any] = await self.lane.query("status")
        return found


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[WorkflowEnvironment]:
    async with await skipping_time() as running:
        yield running


@pytest.fixture
async def meeting(
    server: WorkflowEnvironment, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Meeting]:
    # The server that skips time knows no search attributes.
    monkeypatch.setattr(lane_module, "describe", lambda *_: None)
    world = World()
    workers = [
        Worker(
            server.client,
            task_queue=queue,
            workflows=workflows,
            activities=activities,
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        for queue, workflows, activities in (
            (LANE.queue, [Lane], [world.grant, world.cancel, world.find, world.look]),
            (control_on("h"), [], [world.kill]),
        )
    ]
    async with workers[0], workers[1]:
        lane = await server.client.start_workflow(
            LANE.type, id=LANE.workflow_id(request.node.name), task_queue=LANE.queue
        )
        yield Meeting(server, world, server.client.get_workflow_handle(lane.id))
        await server.client.get_workflow_handle(lane.id).terminate() if await _is_open(
            server, lane.id
        ) else None


async def _is_open(server: WorkflowEnvironment, id: str) -> bool:
    found = await server.client.get_workflow_handle(id).describe()
    return found.status is WorkflowExecutionStatus.RUNNING


async def test_a_lane_that_nobody_wants_ends_after_a_minute(meeting: Meeting) -> None:
    assert await meeting.ask(1) == "granted"
    await meeting.after(300)
    await meeting.release(1)
    assert await meeting.after(50) == {"status": "free", "holder": None, "queue": []}
    await meeting.server.sleep(timedelta(seconds=20))
    assert not await _is_open(meeting.server, meeting.lane.id)


async def test_the_next_one_is_told_when_the_holder_has_ended(meeting: Meeting) -> None:
    assert [await meeting.ask(number) for number in (1, 3, 2)] == ["granted", "queued 1", "queued 1"]
    await meeting.release(1)
    found = await meeting.after(1)
    assert meeting.world.told == ["grant 2"]
    assert (found["holder"]["execution"], [one["execution"] for one in found["queue"]]) == ("e2", ["e3"])


async def test_one_that_has_ended_while_it_waited_is_passed_over(meeting: Meeting) -> None:
    for number in (1, 2, 3):
        await meeting.ask(number)
    meeting.world.ended = {"2"}
    await meeting.release(1)
    assert (await meeting.after(1))["holder"]["execution"] == "e3"
    assert meeting.world.told == ["grant 3"]


async def test_a_holder_is_looked_at_as_long_as_it_runs(meeting: Meeting) -> None:
    for number in (1, 2):
        await meeting.ask(number)
    assert (await meeting.after(3600))["holder"]["execution"] == "e1"
    assert set(meeting.world.told) == {"look 1"}
    assert 110 <= len(meeting.world.told) <= 120


async def test_a_holder_that_ended_without_a_word_is_followed_when_its_commands_are_dead(
    meeting: Meeting,
) -> None:
    for number in (1, 2):
        await meeting.ask(number)
    meeting.world.ended = {"1"}
    meeting.world.commands = (Whereabouts(execution="e1", host="h"), Whereabouts(execution="below", host="h"))
    await meeting.after(31)
    found = await meeting.after(5)
    assert found["holder"]["execution"] == "e2"
    assert meeting.world.told == ["look 1", "kill e1", "kill below", "grant 2"]


async def test_a_run_that_goes_on_again_is_not_taken_for_the_holder_that_it_was(meeting: Meeting) -> None:
    await meeting.ask(1)
    meeting.world.ended = {"1"}
    meeting.world.commands = (Whereabouts(execution="e1", host="h"), Whereabouts(execution="below", host="h"))
    meeting.world.dies.clear()
    await meeting.after(31)
    await meeting.world.kills.wait()
    await meeting.release(1)
    assert await meeting.ask(2) == "granted"
    meeting.world.dies.set()
    assert (await meeting.after(5))["holder"]["execution"] == "e2"
    assert meeting.world.told == ["look 1", "kill e1"]


async def test_who_replaces_has_all_others_cancelled_and_waits_for_the_holder(meeting: Meeting) -> None:
    for number in (1, 2):
        await meeting.ask(number)
    assert await meeting.ask(3, "replace") == "queued 1"
    await meeting.after(1)
    assert meeting.world.told == ["cancel 2", "cancel 1"]
    await meeting.release(2)
    await meeting.release(1)
    assert (await meeting.after(1))["holder"]["execution"] == "e3"


async def test_nothing_is_forgotten_when_the_lane_continues_as_new(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane_module, "MOST_ASKED", 3)
    first = (await meeting.lane.describe()).run_id
    answers = [await meeting.ask(number) for number in range(1, 9)]
    assert answers == ["granted", *(f"queued {place}" for place in range(1, 8))]
    for number in range(1, 8):
        await meeting.release(number)
        assert (await meeting.after(1))["holder"]["execution"] == f"e{number + 1}"
    assert (await meeting.lane.describe()).run_id != first
    assert meeting.world.told == [f"grant {number}" for number in range(2, 9)]


async def test_many_that_are_replaced_at_once_are_cancelled_over_several_workflow_runs(
    meeting: Meeting, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 31):
        await meeting.ask(number)
    begun = await meeting.lane.describe()
    most = begun.history_length + 30
    monkeypatch.setattr(lane_module, "MOST_EVENTS", most)
    await meeting.ask(31, "replace")
    await meeting.after(5)
    assert sorted(meeting.world.told) == sorted(f"cancel {number}" for number in range(1, 31))
    first = await meeting.server.client.get_workflow_handle(begun.id, run_id=begun.run_id).describe()
    assert first.history_length < most + 30


async def test_what_is_no_question_is_refused_and_changes_nothing(meeting: Meeting) -> None:
    await meeting.lane.signal("release", {"nothing": 1})
    with pytest.raises(Exception, match="update failed"):
        await meeting.lane.execute_update("acquire", {"run": 1})
    assert await meeting.ask(1) == "granted"
