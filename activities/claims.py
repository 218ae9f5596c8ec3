"""Which host takes a run: whoever polls the shared queue answers for its own host and writes the run's first row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio import activity

from codeai.activities.records import first_row
from codeai.activities.run_events import run_events, store_events, tell_events
from codeai.persistence.engine import Database
from codeai.persistence.executions import Executions
from codeai.workflows.contracts.executions import Budget, ExecutionStatus
from codeai.workflows.contracts.records import ClaimInput, ClaimResult


@dataclass(frozen=True, slots=True)
class Claims:
    """Answers for one host."""

    database: Database
    host: str
    spool: str
    budget: Budget

    @activity.defn(name="claim_host")
    async def claim_host(self, given: ClaimInput) -> ClaimResult:
        info = activity.info()
        at = info.scheduled_time.timestamp()
        events = run_events(given.execution, info.workflow_run_id or "", ExecutionStatus.RUNNING, at)
        async with self.database.transaction() as rows:
            if await Executions(rows).open(first_row(given.execution, self.host)):
                await store_events(rows, events)
        await tell_events(self.database, events)
        return ClaimResult(host=self.host, spool=self.spool, budget=self.budget)

    def activities(self) -> list[Callable[..., Any]]:
        return [self.claim_host]
