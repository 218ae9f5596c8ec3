"""Leftovers: what a run that ended without a word may have left - commands on hosts, runs below it - and its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, literal_column, select, tuple_, union, update
from sqlalchemy.ext.asyncio import AsyncSession

from codeai.persistence.executions import ENDED, ExecutionRow
from codeai.persistence.steps import StepRow


@dataclass(frozen=True, slots=True)
class Member:
    """A run, or one below it, that its row says has not ended; without a row its workflow is the usual one."""

    id: str
    workflow_id: str | None


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A run may have commands on that host."""

    execution_id: str
    host: str
    ended_at: datetime | None = None
    """When its row says that the run has ended."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What is asked about runs that have ended, or may have."""

    rows: AsyncSession

    async def members(self, execution_id: str) -> list[Member]:
        """The runs below a run, at any depth, whose rows do not say that they have ended."""
        below = (
            select(StepRow.id)
            .where(StepRow.execution_id == execution_id, StepRow.kind == "run")
            .cte("below", recursive=True)
        )
        deeper = (
            select(StepRow.id).join(below, StepRow.execution_id == below.c.id).where(StepRow.kind == "run")
        )
        below = below.union(deeper)
        asked = (
            select(below.c.id, ExecutionRow.workflow_id)
            .outerjoin(ExecutionRow, ExecutionRow.id == below.c.id)
            .where(func.coalesce(ExecutionRow.status, "running").not_in(ENDED))
            .order_by(below.c.id)
        )
        return [Member(str(id), workflow_id) for id, workflow_id in await self.rows.execute(asked)]

    async def whereabouts(self, execution_ids: Sequence[str]) -> list[Whereabouts]:
        """The hosts on which these runs may have commands: their own, and those of steps that were not ended."""
        own = select(ExecutionRow.id, ExecutionRow.host).where(ExecutionRow.id.in_(execution_ids))
        steps = _running().where(StepRow.execution_id.in_(execution_ids))
        return await self._found(union(own, steps).order_by("id", "host"))

    async def of_ended_runs(
        self, limit: int, execution_id: str | None = None, after: tuple[str, str] | None = None
    ) -> list[Whereabouts]:
        """Hosts on which commands of runs that have ended were not ended, as far as rows say: those behind the run and
        host `after`."""
        asked = (
            _running()
            .add_columns(ExecutionRow.completed_at)
            .join(ExecutionRow, ExecutionRow.id == StepRow.execution_id)
            .where(ExecutionRow.status.in_(ENDED))
            .distinct()
            .order_by(StepRow.execution_id, StepRow.host)
            .limit(limit)
        )
        if execution_id is not None:
            asked = asked.where(StepRow.execution_id == execution_id)
        if after is not None:
            asked = asked.where(tuple_(StepRow.execution_id, StepRow.host) > after)
        found = await self.rows.execute(asked)
        return [Whereabouts(str(id), str(host), ended_at) for id, host, ended_at in found]

    async def lost(self, execution_id: str, host: str, completed_at: datetime) -> None:
        """What the run, which has ended, had under way on that host is dead, and nobody will say how it ended. Does
        nothing where the run has been taken up again since: what is under way then began later."""
        has_ended = exists().where(ExecutionRow.id == execution_id, ExecutionRow.status.in_(ENDED))
        await self.rows.execute(
            update(StepRow)
            .where(StepRow.execution_id == execution_id, StepRow.host == host, StepRow.status == "running")
            .where(has_ended)
            .values(status="lost", completed_at=func.greatest(StepRow.started_at, completed_at))
        )

    async def _found(self, asked: Any) -> list[Whereabouts]:
        found = await self.rows.execute(asked)
        return [Whereabouts(str(id), str(host)) for id, host in found if host is not None]


def _running() -> Any:
    return select(StepRow.execution_id.label("id"), StepRow.host).where(
        StepRow.status == literal_column("'running'"), StepRow.host.is_not(None)
    )
