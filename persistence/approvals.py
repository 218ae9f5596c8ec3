"""Approvals: the steps of all runs that wait for a person, read from their rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, literal_column, select

from codeai.persistence.base import Rows, columns
from codeai.persistence.executions import ENDED, ExecutionRow
from codeai.persistence.pages import Listed, Order, Page, Slice, read_page
from codeai.persistence.steps import Step, StepRow

NEWEST_FIRST = Order((StepRow.started_at, StepRow.id))
# Literals, not parameters: only of them Postgres knows that the index of open approvals has them all.
OPEN = (
    StepRow.kind == literal_column("'approve'"),
    StepRow.status == literal_column("'running'"),
    ExecutionRow.status.not_in(ENDED),
)
"""What an open approval is: of a step and its run."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One open approval: `role` is who may decide, everybody with the permission where it is None; who started the
    run only where it is `allow_self`."""

    execution_id: str
    deployment_id: str | None
    step: int
    line: int
    text: str
    role: str | None
    deadline: datetime | None
    asked_at: datetime
    allow_self: bool = True


@dataclass(frozen=True, slots=True)
class Approvals:
    """What is asked about approvals."""

    rows: Rows

    async def open(self, page: Page, where: ColumnElement[bool] | None = None) -> Slice[Approval]:
        """The open ones of all runs, newest first; those of which `where` is true."""
        return await read_page(self.rows, LISTED.narrowed(where), page)

    async def open_of(self, execution_id: str) -> list[Approval]:
        """The open ones of one run, in the order of their steps."""
        asked = LISTED.statement.where(StepRow.execution_id == execution_id).order_by(StepRow.seq)
        return [_shape(*row) for row in await self.rows.execute(asked)]


def approval_of(step: Step, deployment_id: str | None) -> Approval:
    """What a step asks: its line for people is the question."""
    given: dict[str, Any] = json.loads(step.arguments or "{}")
    until = given.get("deadline")
    return Approval(
        execution_id=step.execution_id,
        deployment_id=deployment_id,
        step=step.seq,
        line=step.line,
        text=step.command,
        role=given.get("role"),
        deadline=None if until is None else datetime.fromtimestamp(until, UTC),
        asked_at=step.started_at,
        allow_self=given.get("allow_self", True),
    )


def _read() -> Select[Any]:
    asked: Select[Any] = select(ExecutionRow.deployment_id, *columns(Step, StepRow))
    return asked.join(ExecutionRow, ExecutionRow.id == StepRow.execution_id).where(*OPEN)


def _shape(deployment_id: str | None, *step: Any) -> Approval:
    return approval_of(Step(*step), deployment_id)


LISTED = Listed(_read(), NEWEST_FIRST, _shape)
