"""Which host takes a run: whoever polls the shared queue answers for its own host and writes the run's first row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from codeai.activities.records import open_row
from codeai.activities.run_events import run_events, store_events, tell_events
from codeai.activities.shell.slots import Slots
from codeai.persistence.engine import Database
from codeai.workflows.contracts.executions import Budget, ExecutionStatus
from codeai.workflows.contracts.records import ClaimInput, ClaimResult

WAIT = 1.0
"""Seconds that a claim waits for a free slot here, before another host may have it."""
PATIENCE = 3
"""From this attempt on a claim does not heed what others hold."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Answers for one host."""

    database: Database
    host: str
    spool: str
    budget: Budget
    slots: Slots
    lost_after: float | None
    """None: there is no other host, so that a run gains nothing by waiting for a free slot."""

    @activity.defn(name="claim_host")
    async def claim_host(self, given: ClaimInput) -> ClaimResult:
        """Fails where another host is to be asked: Temporal repeats it, for whoever polls then."""
        if self.host in given.lost:
            raise _not_here("the run has found this host lost")
        if self.lost_after is not None and not await self._has_room_for(given.execution.id):
            raise _not_here("every slot is taken")
        if given.is_first:
            await self._write_first_row(given)
        return ClaimResult(host=self.host, spool=self.spool, lost_after=self.lost_after, budget=self.budget)

    async def _has_room_for(self, execution: str) -> bool:
        """Whether a slot is free; it is held for the run's first command. What only waits (an approval, a timer) may
        hold many: a run that was sent away a few times is taken where nothing but holds stands in the way."""
        patient = activity.info().attempt < PATIENCE
        end = asyncio.get_running_loop().time() + WAIT
        while not self.slots.hold(execution, heed_others=patient):
            if asyncio.get_running_loop().time() > end:
                return False
            await asyncio.sleep(0.05)
        return True

    async def _write_first_row(self, given: ClaimInput) -> None:
        info = activity.info()
        at = info.scheduled_time.timestamp()
        events = run_events(given.execution, info.workflow_run_id or "", ExecutionStatus.RUNNING, at)
        async with self.database.transaction() as rows:
            if await open_row(rows, given.execution, host=self.host):
                await store_events(rows, events)
        await tell_events(self.database, events)

    def activities(self) -> list[Callable[..., Any]]:
        return [self.claim_host]


def _not_here(why: str) -> ApplicationError:
    return ApplicationError(why, type="not_here", category=ApplicationErrorCategory.BENIGN)
