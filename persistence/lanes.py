"""Lanes: the runs that have one or wait for it, read from their rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from codeai.persistence.deployments import DeploymentRow
from codeai.persistence.executions import NOT_ENDED, ExecutionRow


@dataclass(frozen=True, slots=True)
class LaneRun:
    """A run that has a lane, or waits for it, as far as its row says; `concurrency` is its deployment's."""

    id: str
    workflow_id: str
    status: str
    started_at: datetime
    concurrency: str | None


@dataclass(frozen=True, slots=True)
class LaneRuns:
    """What is asked about the runs of lanes."""

    rows: AsyncSession

    async def of(self, key: str) -> list[LaneRun]:
        """The runs of a lane that have not ended, in the order of their starts."""
        concurrency = (
            select(DeploymentRow.concurrency)
            .where(DeploymentRow.id == ExecutionRow.deployment_id)
            .scalar_subquery()
        )
        asked = (
            select(
                ExecutionRow.id,
                ExecutionRow.workflow_id,
                ExecutionRow.status,
                ExecutionRow.started_at,
                concurrency,
            )
            .where(ExecutionRow.lane == key, ExecutionRow.status.in_(NOT_ENDED))
            .order_by(ExecutionRow.started_at)
        )
        return [LaneRun(*row) for row in await self.rows.execute(asked)]
