"""Reconciling: the rows of runs are compared with what Temporal knows, and say the same afterwards."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus

from codeai.activities.canonical import at, canonical
from codeai.activities.records import open_row
from codeai.activities.run_events import run_events, store_events, tell_events
from codeai.activities.runs import Begun, RunEnded, begun_as, how_it_ended, is_running, run_of
from codeai.activities.telling import tell_missed
from codeai.persistence.configs import Configs
from codeai.persistence.deployments import Deployments
from codeai.persistence.engine import Database
from codeai.persistence.event_waits import EventWaits
from codeai.persistence.executions import Ending, Executions
from codeai.persistence.leftovers import Leftovers
from codeai.persistence.steps import Steps
from codeai.workflows.contracts.attributes import STATUS
from codeai.workflows.contracts.executions import ENDED, ExecutionRecord, ExecutionStatus, FailurePolicy
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
from codeai.workflows.contracts.lanes import Whereabouts
from codeai.workflows.contracts.reconciling import CommandsLeft, FindCommands, MakeRows, MendRows, PageDone
from codeai.workflows.contracts.records import Nothing

AT_ONCE = 100
"""Rows or runs of one page."""
COMMANDS_AT_ONCE = 50
STARTING = timedelta(minutes=1)
"""How long a run that has just started may be without a row."""
MARGIN = timedelta(minutes=1)
"""What is added to a lease before it counts as over."""

CONTINUED = WorkflowExecutionStatus.CONTINUED_AS_NEW

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reconciling:
    """The activities of `Reconcile`."""

    database: Database
    lost_after: float | None
    """When a silent host is given up; None: never."""

    @activity.defn(name="mend_rows")
    async def mend_rows(self, given: MendRows) -> PageDone:
        client = activity.client()
        if given.since is not None:
            # Whoever stored an event may have been ended before it told it: an emit with its run, by force.
            await tell_missed(self.database, datetime.fromtimestamp(given.since, UTC))
        await self._tell_again()
        async with self.database.session() as rows:
            page = await Executions(rows).not_ended(AT_ONCE, after=given.place, only=given.execution)
        running = await _running(client, [row.workflow_id for row in page])
        mended = 0
        for row in page:
            if row.workflow_id in running and row.workflow_id == EXECUTE_DEPLOYMENT.workflow_id(row.id):
                continue
            found = await run_of(client, row.id, row.workflow_id)
            if found is None or not is_running(found):
                record = ExecutionRecord(
                    id=row.id,
                    workflow_id=row.workflow_id,
                    deployment_id=row.deployment_id,
                    config_id=row.config_id,
                    version=row.version,
                    triggered_by=row.triggered_by,
                    started_at=row.started_at.timestamp(),
                )
                mended += await self._close(record, await how_it_ended(client, found))
        more = len(page) == AT_ONCE
        return PageDone(count=mended, next=page[-1].id if more else None)

    @activity.defn(name="make_rows")
    async def make_rows(self, given: MakeRows) -> PageDone:
        client = activity.client()
        await self._tell_again()
        since = datetime.fromtimestamp(given.since, UTC).isoformat()
        listed = client.list_workflows(
            f"WorkflowType = '{EXECUTE_DEPLOYMENT.type}' AND StartTime >= '{since}'",
            page_size=AT_ONCE,
            next_page_token=base64.b64decode(given.place) if given.place else None,
        )
        await listed.fetch_next_page()
        runs = [run for run in listed.current_page or () if run.status is not CONTINUED]
        async with self.database.session() as rows:
            known = await Executions(rows).known([run.id for run in runs])
        made = 0
        for run in runs:
            usual = run.id.startswith(EXECUTE_DEPLOYMENT.workflow_id(""))
            is_new = is_running(run) and datetime.now(UTC) - run.start_time < STARTING
            if not (usual and run.id in known) and not is_new:
                made += await self._make(client, run)
        token = listed.next_page_token
        return PageDone(count=made, next=base64.b64encode(token).decode() if token else None)

    @activity.defn(name="find_commands")
    async def find_commands(self, given: FindCommands) -> CommandsLeft:
        async with self.database.transaction() as rows:
            await EventWaits(rows).end_those_of_ended_runs()
            after = _place(given.place) if given.place else None
            left = await Leftovers(rows).of_ended_runs(COMMANDS_AT_ONCE, given.execution, after)
        more = len(left) == COMMANDS_AT_ONCE
        return CommandsLeft(
            next=f"{left[-1].execution_id} {left[-1].host}" if more else None,
            commands=tuple(
                Whereabouts(
                    execution=one.execution_id,
                    host=one.host,
                    lost_after=self.lost_after,
                    lease_is_over=self._lease_is_over(one.ended_at),
                )
                for one in left
            ),
        )

    @activity.defn(name="end_steps")
    async def end_steps(self, given: Whereabouts) -> Nothing:
        async with self.database.transaction() as rows:
            await Leftovers(rows).lost(given.execution, given.host, datetime.now(UTC))
        return Nothing()

    def _lease_is_over(self, ended_at: datetime | None) -> bool:
        """No lease was renewed after the run had ended (RUNNER.md)."""
        if self.lost_after is None or ended_at is None:
            return False
        return datetime.now(UTC) > ended_at + timedelta(seconds=self.lost_after) + MARGIN

    async def _tell_again(self) -> None:
        """What an attempt before this one has closed is on no page any more."""
        info = activity.info()
        if info.attempt > 1:
            await tell_missed(self.database, info.scheduled_time)

    async def _close(self, record: ExecutionRecord, ended: RunEnded, *, is_new: bool = False) -> bool:
        """Writes the end of a run that has not written it itself. Whether there was something to write."""
        events = run_events(record, ended.run, ended.status, ended.at, ended.error)
        ending = Ending(
            status=ended.status.value,
            completed_at=at(ended.at),
            result=canonical(ended.result),
            error=canonical(ended.error) if ended.error else None,
            undo_failed=canonical(list(ended.undo_failed)),
            outcome_is_new=ended.status is not ExecutionStatus.COMPENSATED,
        )
        async with self.database.transaction() as rows:
            if is_new:
                await open_row(rows, record)
            # Whoever reopens the run waits for its row, and takes it up again; who has reopened it goes on.
            elif not await Executions(rows).hold(record.id) or not await _ended_last(record, ended):
                return False
            closed = await Executions(rows).close(record.id, ending)
            if closed:
                await Steps(rows).end_all_but_commands(record.id, at(ended.at))
                await EventWaits(rows).end_all(record.id)
                await store_events(rows, events)
        if closed:
            log.info(
                "mended", execution_id=record.id, status=ended.status.value, workflow_id=record.workflow_id
            )
        await tell_events(self.database, events)
        return closed

    async def _make(self, client: Client, run: WorkflowExecution) -> bool:
        """The row of a run that has none. Whether it had none."""
        begun = await begun_as(client, run.id, run.run_id)
        if begun.asked is not None and begun.asked.do is not None:  # a command makes no row
            return False
        async with self.database.session() as rows:
            if await Executions(rows).get(begun.execution) is not None:
                return False
            record = await _record(rows, begun)
        if not is_running(run):
            found = await run_of(client, begun.execution, run.id)
            return await self._close(record, await how_it_ended(client, found), is_new=True)
        said = run.typed_search_attributes.get(STATUS)
        status = said if said in set(ExecutionStatus) - ENDED else ExecutionStatus.QUEUED.value
        async with self.database.transaction() as rows:
            return await open_row(rows, record, status=str(status))

    def activities(self) -> list[Callable[..., Any]]:
        return [self.mend_rows, self.make_rows, self.find_commands, self.end_steps]


def _place(text: str) -> tuple[str, str]:
    """The run and the host that a page of commands ended with."""
    execution, _, host = text.partition(" ")
    return execution, host


async def _ended_last(record: ExecutionRecord, ended: RunEnded) -> bool:
    """Whether no command has reopened the run since it was found ended. Raises RPCError."""
    newest = await run_of(activity.client(), record.id, record.workflow_id)
    return newest is None or newest.run_id == ended.run


async def _running(client: Client, workflow_ids: Sequence[str]) -> set[str]:
    """Those of them that are certainly running; of others Temporal has to be asked one by one."""
    asked = [id for id in workflow_ids if not set(id) & set("\"'\\")]
    if not asked:
        return set()
    listed = ", ".join(f"'{id}'" for id in asked)
    query = f"ExecutionStatus = 'Running' AND WorkflowId IN ({listed})"
    return {run.id async for run in client.list_workflows(query, page_size=AT_ONCE)}


async def _record(rows: AsyncSession, begun: Begun) -> ExecutionRecord:
    """The run's first row as far as its input says it."""
    asked = begun.asked
    if asked is not None and asked.carried is not None:
        return asked.carried.record
    deployment = await Deployments(rows).get(asked.deployment) if asked and asked.deployment else None
    config = await Configs(rows).get(asked.config) if asked and asked.config else None
    return ExecutionRecord(
        id=begun.execution,
        workflow_id=begun.workflow_id,
        deployment_id=deployment.id if deployment else None,
        config_id=config.id if config else deployment.config_id if deployment else None,
        inputs=asked.inputs if asked else {},
        failure_policy=(asked and asked.failure_policy) or FailurePolicy.UNDO,
        triggered_by=asked.triggered_by if asked else None,
        via=asked.via if asked else "temporal",
        request_id=asked.request_id if asked else None,
        started_at=begun.started_at,
    )
