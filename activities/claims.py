"""Which host takes a run: whoever polls the shared queue answers for its own host and writes the run's first row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio import activity

from codeai.activities.records import first_row
from codeai.persistence.engine import Database
from codeai.persistence.executions import Executions
from codeai.workflows.contracts.executions import Budget
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
        async with self.database.single() as rows:
            await Executions(rows).open(first_row(given.execution, self.host))
        return ClaimResult(host=self.host, spool=self.spool, budget=self.budget)

    def activities(self) -> list[Callable[..., Any]]:
        return [self.claim_host]
