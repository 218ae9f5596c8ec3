"""Executions: one row per run, written again and again, whose status never goes back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Index,
    Select,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Mapped, aliased, mapped_column

from codeai.persistence.base import Base, Rows, columns, is_uuid, key
from codeai.persistence.pages import Listed, Order, Page, Slice, read_page
from codeai.persistence.steps import BROKEN, StepRow

RANK = {
    "queued": 0,
    "running": 1,
    "waiting": 1,
    "paused": 1,
    "parked": 1,
    "undoing": 2,
    "complete": 3,
    "failed": 3,
    "cancelled": 3,
    "compensated": 3,
    "rejected": 3,
}
"""How far a status is (★): a row goes from a lower rank to a higher one, or stays."""
LAST = 3
ENDED = tuple(status for status, rank in RANK.items() if rank == LAST)
NOT_ENDED = tuple(status for status, rank in RANK.items() if rank < LAST)


class ExecutionRow(Base):
    __tablename__ = "executions"

    id: Mapped[str] = mapped_column(key(), primary_key=True)
    workflow_id: Mapped[str] = mapped_column(index=True)
    deployment_id: Mapped[str | None] = mapped_column(key())
    config_id: Mapped[str | None] = mapped_column(key())
    version: Mapped[int | None]
    content_hash: Mapped[str | None]
    status: Mapped[str]
    status_text: Mapped[str | None]
    inputs: Mapped[str]
    result: Mapped[str | None]
    error: Mapped[str | None]
    undo_failed: Mapped[str | None]
    failure_policy: Mapped[str]
    triggered_by: Mapped[str | None]
    host: Mapped[str | None]
    lane: Mapped[str | None]
    started_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    log_offset: Mapped[int] = mapped_column(BigInteger, server_default="0")
    log_bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")

    __table_args__ = (
        Index("ix_executions_started_at_id", "started_at", "id"),
        Index("ix_executions_deployment_id_started_at_id", "deployment_id", "started_at", "id"),
        Index("ix_executions_config_id_started_at_id", "config_id", "started_at", "id"),
        Index("ix_executions_status_started_at_id", "status", "started_at", "id"),
        Index(
            "ix_executions_queued",
            "lane",
            "started_at",
            "id",
            postgresql_where=text("status = 'queued' AND lane IS NOT NULL"),
        ),
    )


@dataclass(frozen=True, slots=True)
class NewExecution:
    """A run as it begins. `inputs` is canonical JSON."""

    id: str
    workflow_id: str
    started_at: datetime
    deployment_id: str | None = None
    config_id: str | None = None
    version: int | None = None
    content_hash: str | None = None
    inputs: str = "{}"
    failure_policy: str = "undo"
    triggered_by: str | None = None
    host: str | None = None
    status: str = "running"
    status_text: str | None = None
    lane: str | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """A run as it is read: `inputs`, `result`, `error` and `undo_failed` are canonical JSON; `command`,
    `output` and `exit_code` are those of its last exec, or of the one that it failed by."""

    id: str
    workflow_id: str
    deployment_id: str | None
    config_id: str | None
    version: int | None
    content_hash: str | None
    status: str
    status_text: str | None
    inputs: str
    result: str | None
    error: str | None
    undo_failed: str | None
    failure_policy: str
    triggered_by: str | None
    host: str | None
    started_at: datetime
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime
    command: str | None
    output: str | None
    exit_code: int | None

    @property
    def ended(self) -> bool:
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended; `result`, `error` and `undo_failed` are canonical JSON. A command to an ended run leaves its
    outcome as it is: that is not `outcome_is_new`."""

    status: str
    completed_at: datetime
    result: str | None = None
    error: str | None = None
    undo_failed: str | None = None
    outcome_is_new: bool = True


@dataclass(frozen=True, slots=True)
class OpenExecution:
    """A run that has not ended, as far as its row says."""

    id: str
    workflow_id: str
    deployment_id: str | None
    config_id: str | None
    version: int | None
    status: str
    triggered_by: str | None
    started_at: datetime


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Which executions a list shows; None is any."""

    deployment_id: str | None = None
    config_id: str | None = None
    status: str | None = None

    def given(self) -> dict[str, str]:
        """What is wanted, by the columns' names."""
        every = {"deployment_id": self.deployment_id, "config_id": self.config_id, "status": self.status}
        return {name: value for name, value in every.items() if value is not None}


OF_PROGRAM = ("deployment_id", "config_id", "version", "content_hash", "inputs", "failure_policy", "lane")
"""What of a run's row is known when its program is."""
NEWEST_FIRST = Order((ExecutionRow.started_at, ExecutionRow.id))


@dataclass(frozen=True, slots=True)
class Executions:
    """What is written and asked about runs."""

    rows: Rows

    async def open(self, new: NewExecution) -> bool:
        """Writes the row of a run that begins. Again: changes nothing, but a host that was not known yet, that a queued
        run goes on, and what only the run itself knows: who finds it without a row makes one of its input alone.
        Answers whether the row was written."""
        values = {field.name: getattr(new, field.name) for field in fields(new)}
        row = insert(ExecutionRow).values(values)
        known = func.coalesce(ExecutionRow.host, row.excluded.host)
        goes_on = (ExecutionRow.status == "queued") & (row.excluded.status != "queued")
        status = case((goes_on, row.excluded.status), else_=ExecutionRow.status)
        knows = ExecutionRow.content_hash.is_(None) & row.excluded.content_hash.is_not(None)
        told = {
            name: case((knows, row.excluded[name]), else_=getattr(ExecutionRow, name)) for name in OF_PROGRAM
        }
        written = await self.rows.execute(
            row.on_conflict_do_update(
                index_elements=["id"],
                set_={"host": known, "status": status, "updated_at": func.now(), **told},
                where=ExecutionRow.host.is_distinct_from(known) | goes_on | knows,
            ).returning(ExecutionRow.id)
        )
        return written.first() is not None

    async def set_status(self, id: str, status: str, status_text: str | None = None) -> None:
        """Where the run is now. Does nothing where the row is further on already."""
        await self.rows.execute(
            update(ExecutionRow)
            .where(ExecutionRow.id == id, _rank() <= RANK[status], _rank() < LAST)
            .values(status=status, status_text=status_text, updated_at=func.now())
        )

    async def hold(self, id: str) -> bool:
        """Keeps the row from being changed by others until the transaction ends. Whether there is one."""
        asked = select(ExecutionRow.id).where(ExecutionRow.id == id).with_for_update()
        return (await self.rows.execute(asked)).first() is not None

    async def set_program(self, id: str, content_hash: str) -> None:
        """The program that the run goes on with."""
        await self.rows.execute(
            update(ExecutionRow)
            .where(ExecutionRow.id == id)
            .values(content_hash=content_hash, updated_at=func.now())
        )

    async def reopen(self, id: str, status: str) -> None:
        """A command to an ended run begins, or waits until it may. Does nothing where that has been done, or undone,
        already. One that goes on has no outcome yet; one that waits may still end as it was."""
        goes_on = RANK["queued"] < RANK[status] < RANK["undoing"]
        outcome = {"error": None, "completed_at": None} if goes_on else {}
        closed = (_rank() == LAST) & (ExecutionRow.status != "compensated")
        await self.hold(
            id
        )  # an end that is being written is one to be reopened: a mere UPDATE would not see it
        await self.rows.execute(
            update(ExecutionRow)
            .where(ExecutionRow.id == id, closed | (ExecutionRow.status == "queued"))
            .values(status=status, status_text=None, updated_at=func.now(), **outcome)
        )

    async def close(self, id: str, ending: Ending) -> bool:
        """How the run ended; the first ending stays. Answers whether this was written: not where the run has ended
        already, or has no row yet."""
        outcome = {"result": ending.result, "error": ending.error} if ending.outcome_is_new else {}
        closed = await self.rows.execute(
            update(ExecutionRow)
            .where(ExecutionRow.id == id, _rank() < LAST)
            .values(
                status=ending.status,
                status_text=None,
                undo_failed=ending.undo_failed,
                completed_at=ending.completed_at,
                updated_at=func.now(),
                **outcome,
            )
            .returning(ExecutionRow.id)
        )
        return closed.first() is not None

    async def get(self, id: str) -> Execution | None:
        if not is_uuid(id):
            return None
        found = (await self.rows.execute(ONE, {"id": id})).one_or_none()
        return None if found is None else Execution(*found)

    async def not_ended(
        self, limit: int, after: str | None = None, only: str | None = None
    ) -> list[OpenExecution]:
        """Runs that have not ended as far as their rows say, by their ids from `after` on; `only` that one of them."""
        asked = (
            select(*columns(OpenExecution, ExecutionRow))
            .where(ExecutionRow.status.in_(NOT_ENDED))
            .order_by(ExecutionRow.id)
            .limit(limit)
        )
        if after is not None:
            asked = asked.where(ExecutionRow.id > after)
        if only is not None:
            asked = asked.where(ExecutionRow.id == only)
        return [OpenExecution(*row) for row in await self.rows.execute(asked)]

    async def not_ended_of(self, deployment_id: str) -> list[OpenExecution]:
        """The runs of a deployment that have not ended as far as their rows say, in the order of their starts."""
        asked = select(*columns(OpenExecution, ExecutionRow)).where(
            ExecutionRow.deployment_id == deployment_id,
            ExecutionRow.status.in_(NOT_ENDED),
        )
        found = await self.rows.execute(asked.order_by(ExecutionRow.started_at))
        return [OpenExecution(*row) for row in found]

    async def not_ended_under(self, workflow_ids: Collection[str]) -> list[OpenExecution]:
        """The runs of these workflows that have not ended as far as their rows say."""
        asked = select(*columns(OpenExecution, ExecutionRow)).where(
            ExecutionRow.workflow_id.in_(workflow_ids),
            ExecutionRow.status.in_(NOT_ENDED),
        )
        return [OpenExecution(*row) for row in await self.rows.execute(asked)]

    async def known(self, workflow_ids: Sequence[str]) -> set[str]:
        """Those of the workflows that have a row."""
        asked = select(ExecutionRow.workflow_id).where(ExecutionRow.workflow_id.in_(workflow_ids))
        return set((await self.rows.execute(asked)).scalars())

    async def page(
        self,
        page: Page,
        filters: ExecutionFilter | None = None,
        where: ColumnElement[bool] | None = None,
    ) -> Slice[Execution]:
        """The runs, newest first; those of which `where` is true."""
        wanted = filters.given() if filters else {}
        return await read_page(self.rows, _listed(*wanted).narrowed(where), page, **wanted)


def _rank() -> Any:
    return case(RANK, value=ExecutionRow.status, else_=LAST)


def _status_text() -> ColumnElement[str | None]:
    """What the run says of itself; of a queued one its place in its lane, which changes with others."""
    ahead = aliased(ExecutionRow)
    place = (
        select(func.count())
        .where(
            ahead.lane == ExecutionRow.lane,
            ahead.status == literal_column("'queued'"),
            tuple_(ahead.started_at, ahead.id) <= tuple_(ExecutionRow.started_at, ExecutionRow.id),
        )
        .scalar_subquery()
    )
    queued = (ExecutionRow.status == "queued") & ExecutionRow.lane.is_not(None)
    said = func.concat("number ", place, " in lane ", ExecutionRow.lane)
    return case((queued, said), else_=ExecutionRow.status_text)


def _read() -> Select[Any]:
    shown = (
        select(StepRow.command, StepRow.stdout, StepRow.exit_code)
        .where(StepRow.execution_id == ExecutionRow.id, StepRow.seq == _shown_step())
        .limit(1)
        .lateral("shown")
    )
    found = columns(
        Execution,
        ExecutionRow,
        status_text=_status_text(),
        command=shown.c.command,
        output=shown.c.stdout,
        exit_code=shown.c.exit_code,
    )
    return select(*found).select_from(ExecutionRow).outerjoin(shown, shown.c.command.is_not(None))


def _shown_step() -> ColumnElement[int]:
    """The number of the exec that the run failed by, else of its last one. Both are looked for from the newest step on,
    as a run may have thousands."""
    step = aliased(StepRow)
    last = (
        select(step.seq)
        .where(step.execution_id == ExecutionRow.id, step.kind == "exec")
        .order_by(step.seq.desc())
        .limit(1)
        .correlate(ExecutionRow)
    )
    failed = last.where(ExecutionRow.error.is_not(None), step.status.in_(BROKEN), _tells_of_line(step.line))
    return func.coalesce(failed.scalar_subquery(), last.scalar_subquery())


def _tells_of_line(line: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Whether the run's error, or one of those that it collects, is of that line. Searched as text: Postgres refuses to
    take JSON apart that has a NUL in it. Within a JSON string no quote stands bare, so nothing else looks the same."""
    return or_(*(func.strpos(ExecutionRow.error, func.concat('"line":', line, end)) > 0 for end in ",}"))


@cache
def _listed(*filtered: str) -> Listed[Execution]:
    """The list of those that have given values in these columns."""
    wanted = (getattr(ExecutionRow, name) == bindparam(name, None) for name in filtered)
    return Listed(READ.where(*wanted), NEWEST_FIRST, Execution)


READ = _read()
"""The executions as they are shown. Built once: building it takes longer than many of its answers do."""
ONE = READ.where(ExecutionRow.id == bindparam("id", None))
