"""Between a run and its lane: the run asks and lets go, the lane grants, cancels and looks whether the run still is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowExecutionDescription
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from codeai.activities.records import open_row
from codeai.activities.runs import is_running, run_as_it_is
from codeai.persistence.engine import Database
from codeai.persistence.lanes import LaneRun, LaneRuns
from codeai.persistence.leftovers import Leftovers
from codeai.workflows.contracts.attributes import STATUS, at_start
from codeai.workflows.contracts.executions import ExecutionStatus
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT, LANE, TASK_TIMEOUT
from codeai.workflows.contracts.lanes import (
    Concurrency,
    LaneAnswer,
    LaneInput,
    ReleaseInput,
    ReleaseLane,
    TakeLane,
    Told,
    Turn,
    TurnFound,
    TurnInput,
    TurnsKnown,
    TurnsWanted,
    Whereabouts,
)
from codeai.workflows.contracts.records import Nothing

RPC_LIMIT = timedelta(seconds=4)
"""Below the activities' own time: what Temporal said is told, not that time was over."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """The activities of lanes, on both sides."""

    database: Database
    lost_after: float | None
    """When a silent host is given up; None: never."""

    @activity.defn(name="take_lane")
    async def take_lane(self, given: TakeLane) -> LaneAnswer:
        answer, _ = await asyncio.gather(_ask(activity.client(), given), self._write_row(given))
        return answer

    async def _write_row(self, given: TakeLane) -> None:
        async with self.database.transaction() as rows:
            await open_row(rows, given.execution, status=ExecutionStatus.QUEUED.value, lane=given.key)

    @activity.defn(name="release_lane")
    async def release_lane(self, given: ReleaseLane) -> Nothing:
        lane = activity.client().get_workflow_handle(LANE.workflow_id(given.key))
        try:
            await lane.signal("release", ReleaseInput(run=given.run), rpc_timeout=RPC_LIMIT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # a lane that has ended knew of no run
                raise
        return Nothing()

    @activity.defn(name="grant_turn")
    async def grant_turn(self, given: TurnInput) -> Told:
        client = activity.client()
        # That very workflow run: another one under its id would be a command to the run when it had ended. One that
        # has continued as new meanwhile is the same run still: it is looked at again.
        while (run := await self._as_it_is(given)) is not None:
            handle = client.get_workflow_handle(run.id, run_id=run.run_id)
            try:
                await handle.signal("granted", {"lane": given.key}, rpc_timeout=RPC_LIMIT)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
            else:
                return Told(told=True)
        return Told(told=False)

    @activity.defn(name="cancel_turn")
    async def cancel_turn(self, given: TurnInput) -> Told:
        turn = given.turn
        handle = activity.client().get_workflow_handle(turn.workflow_id, first_execution_run_id=turn.run)
        try:
            await handle.cancel(
                reason=f"a later run has replaced it in lane {given.key}", rpc_timeout=RPC_LIMIT
            )
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return Told(told=False)
        return Told(told=True)

    @activity.defn(name="find_turns")
    async def find_turns(self, given: TurnsWanted) -> TurnsKnown:
        """Of the runs that Temporal knows. One that has ended and had the lane still has it: the lane looks whether its
        commands are dead. So has one that was told that it is its turn, and has no host yet, which its row does not
        know. One that waits and is not of the patient sort has not asked yet, or asks again."""
        async with self.database.session() as rows:
            found = await LaneRuns(rows).of(given.key)
        holders: list[tuple[bool, bool, Turn]] = []
        waiting: list[Turn] = []
        for one in found:
            run = await run_as_it_is(activity.client(), one.workflow_id)
            if run is None:
                continue
            turn, has_begun = await _turn(one, run), one.status != ExecutionStatus.QUEUED
            if has_begun or (is_running(run) and _was_granted(run)):
                holders.append((is_running(run), has_begun, turn))
            elif is_running(run) and one.concurrency in (None, Concurrency.QUEUE):
                waiting.append(turn)
        # Who came after another had the lane when the commands of that one were dead, though its row be not mended yet.
        *_, holder = max(holders, key=lambda one: (*one[:2], one[2].since), default=(None,))
        return TurnsKnown(holder=holder, queue=tuple(waiting))

    @activity.defn(name="look_at_turn")
    async def look_at_turn(self, given: TurnInput) -> TurnFound:
        if await self._as_it_is(given) is not None:
            return TurnFound(running=True)
        execution = given.turn.execution
        async with self.database.session() as rows:
            members = await Leftovers(rows).members(execution)
        for one in members:
            workflow_id = one.workflow_id or EXECUTE_DEPLOYMENT.workflow_id(one.id)
            below = await run_as_it_is(activity.client(), workflow_id)
            if below is not None and is_running(below):
                return TurnFound(running=True)
        async with self.database.session() as rows:
            found = await Leftovers(rows).whereabouts([execution, *(one.id for one in members)])
        return TurnFound(
            running=False,
            commands=tuple(
                Whereabouts(execution=one.execution_id, host=one.host, lost_after=self.lost_after)
                for one in found
            ),
        )

    async def _as_it_is(self, given: TurnInput) -> WorkflowExecutionDescription | None:
        """What Temporal says of a run that has not ended; None where it has."""
        found = await run_as_it_is(activity.client(), given.turn.workflow_id)
        if found is None or not is_running(found):
            return None
        first = found.raw_description.workflow_execution_info.first_run_id
        return found if first == given.turn.run else None

    def activities(self) -> list[Callable[..., Any]]:
        return [
            self.take_lane,
            self.release_lane,
            self.find_turns,
            self.grant_turn,
            self.cancel_turn,
            self.look_at_turn,
        ]


def _was_granted(found: WorkflowExecutionDescription) -> bool:
    """Whether a run whose row says that it waits goes on already: who waits says so of itself as soon as it has its
    lane's answer, until it is told that it is its turn."""
    asks = any(one.activity_type.name == "take_lane" for one in found.raw_description.pending_activities)
    return not asks and found.typed_search_attributes.get(STATUS) != ExecutionStatus.QUEUED


async def _turn(run: LaneRun, found: WorkflowExecutionDescription) -> Turn:
    """The turn that a run asked for: since the first of its workflow runs began, which for one that was taken up again
    after its end is not what its row says."""
    first = found.raw_description.workflow_execution_info.first_run_id
    began = found
    if first != found.run_id:
        began = await run_as_it_is(activity.client(), run.workflow_id, first) or found
    return Turn(
        execution=run.id,
        workflow_id=run.workflow_id,
        run=first,
        since=began.start_time.timestamp(),
        concurrency=Concurrency(run.concurrency or Concurrency.QUEUE),
    )


async def _ask(client: Client, given: TakeLane) -> LaneAnswer:
    """Asks the lane, which is started where it is not there."""
    id = LANE.workflow_id(given.key)
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        LANE.type,
        LaneInput(),
        id=id,
        task_queue=LANE.queue,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        task_timeout=TASK_TIMEOUT,
        search_attributes=at_start(LANE.type, id, None),
        static_summary=f"who may run under {given.key}",
    )
    answer: LaneAnswer = await client.execute_update_with_start_workflow(
        "acquire",
        given.turn,
        start_workflow_operation=start,
        result_type=LaneAnswer,
        rpc_timeout=RPC_LIMIT,
    )
    return answer
