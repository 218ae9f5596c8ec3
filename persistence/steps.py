"""Steps: one row per effect of a run, with what its newest attempt did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Index, bindparam, exists, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from codeai.persistence.base import Base, Rows, columns, is_uuid, key
from codeai.persistence.pages import Listed, Order, Page, Slice, read_page

RESULTS_AT_ONCE = 500
BROKEN = ("failed", "timeout", "lost")
"""The step statuses of what went wrong."""


class StepRow(Base):
    __tablename__ = "execution_steps"

    id: Mapped[str] = mapped_column(key(), primary_key=True)
    execution_id: Mapped[str] = mapped_column(key())
    seq: Mapped[int]
    kind: Mapped[str]
    line: Mapped[int]
    attempt: Mapped[int]
    status: Mapped[str]
    command: Mapped[str]
    exit_code: Mapped[int | None]
    stdout: Mapped[str | None]
    stderr: Mapped[str | None]
    host: Mapped[str | None]
    result: Mapped[str | None]
    undo: Mapped[str | None]
    arguments: Mapped[str | None]
    started_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_execution_steps_execution_id_seq_id", "execution_id", "seq", "id"),
        Index(
            "ix_execution_steps_open_approvals",
            "started_at",
            "id",
            postgresql_where=text("kind = 'approve' AND status = 'running'"),
        ),
        Index(
            "ix_execution_steps_running",
            "execution_id",
            postgresql_where=text("status = 'running' AND host IS NOT NULL"),
        ),
    )


@dataclass(frozen=True, slots=True)
class NewStep:
    """An attempt of a step as it begins. `undo` is its compensation, known before the command runs, `arguments`
    those of an effect that is no command, or what an undo block undoes with which variables; both JSON."""

    id: str
    execution_id: str
    seq: int
    kind: str
    line: int
    attempt: int
    command: str
    started_at: datetime
    host: str | None = None
    undo: str | None = None
    arguments: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A step as it is read. `result`, `undo` and `arguments` are canonical JSON."""

    id: str
    execution_id: str
    seq: int
    kind: str
    line: int
    attempt: int
    status: str
    command: str
    exit_code: int | None
    stdout: str | None
    stderr: str | None
    host: str | None
    result: str | None
    undo: str | None
    arguments: str | None
    started_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class UndoBlockRun:
    """An undo block that has begun. `arguments` has the step that it `undoes`, and its `variables` or the `execution`
    that it compensates."""

    seq: int
    line: int
    status: str
    command: str
    arguments: str | None
    result: str | None


IN_ORDER = Order((StepRow.seq, StepRow.id), newest_first=False)


@dataclass(frozen=True, slots=True)
class Steps:
    """What is written and asked about the steps of a run."""

    rows: Rows

    async def started(self, new: NewStep) -> bool:
        """An attempt began. Again: changes nothing. A later attempt takes the row over, an earlier never. Answers
        whether the row is this attempt's by this call."""
        values: dict[str, Any] = {field.name: getattr(new, field.name) for field in fields(new)}
        values |= dict.fromkeys(("exit_code", "stdout", "stderr", "result", "completed_at"))
        row = insert(StepRow).values(values | {"status": "running"})
        written = await self.rows.execute(
            row.on_conflict_do_update(
                index_elements=["id"],
                set_={name: row.excluded[name] for name in [*values, "status"] if name != "id"},
                where=StepRow.attempt < row.excluded.attempt,
            ).returning(StepRow.id)
        )
        return written.first() is not None

    async def ended(
        self,
        step_id: str,
        attempt: int,
        status: str,
        exit_code: int | None = None,
        stdout: str | None = None,
        stderr: str | None = None,
        *,
        completed_at: datetime,
        result: str | None = None,
    ) -> None:
        """How the attempt ended; its first ending stays, and a newer attempt is left alone."""
        await self.rows.execute(
            update(StepRow)
            .where(StepRow.id == step_id, StepRow.attempt == attempt, StepRow.status == "running")
            .values(
                status=status,
                exit_code=exit_code,
                stdout=stdout,
                stderr=stderr,
                result=result,
                completed_at=func.greatest(StepRow.started_at, completed_at),
            )
        )

    async def end_all_but_commands(self, execution_id: str, completed_at: datetime) -> None:
        """The run has ended without them; commands are ended on their hosts first."""
        await self.rows.execute(
            update(StepRow)
            .where(StepRow.execution_id == execution_id, StepRow.status == "running", StepRow.host.is_(None))
            .values(status="cancelled", completed_at=func.greatest(StepRow.started_at, completed_at))
        )

    async def is_past(self, step_id: str, attempt: int) -> bool:
        """Whether a later attempt has taken the row over, or this one was given up with its host: whoever still has
        something to tell of it comes too late."""
        asked = select(StepRow.attempt, StepRow.status).where(StepRow.id == step_id)
        found = (await self.rows.execute(asked)).one_or_none()
        return found is not None and (
            found.attempt > attempt or (found.attempt == attempt and found.status == "lost")
        )

    async def ending(self, step_id: str, attempt: int) -> str | None:
        """How that attempt ended; None while it has not, or when a later one has begun."""
        asked = select(StepRow.result).where(
            StepRow.id == step_id, StepRow.attempt == attempt, StepRow.status != "running"
        )
        return (await self.rows.execute(asked)).scalar_one_or_none()

    async def result_of(self, step_id: str) -> str | None:
        """How a step ended; None while it has not."""
        asked = select(StepRow.result).where(StepRow.id == step_id)
        return (await self.rows.execute(asked)).scalar_one_or_none()

    async def of(
        self, execution_id: str, page: Page, where: ColumnElement[bool] | None = None
    ) -> Slice[Step]:
        """The steps of a run in the order of their starts; those of which `where` is true."""
        if not is_uuid(execution_id):
            return Slice(())
        return await read_page(self.rows, OF_RUN.narrowed(where), page, run=execution_id)

    async def any_undoable(self, execution_id: str) -> bool:
        """Whether any step has a compensation."""
        asked = exists().where(StepRow.execution_id == execution_id, StepRow.undo.is_not(None))
        return bool((await self.rows.execute(select(asked))).scalar_one())

    async def any_undone(self, execution_id: str) -> bool:
        """Whether an undo block of the run has begun."""
        asked = exists().where(StepRow.execution_id == execution_id, StepRow.kind == "undo")
        return bool((await self.rows.execute(select(asked))).scalar_one())

    async def interrupted_undos(self, execution_id: str) -> list[int]:
        """The numbers of the run's undo blocks that were killed, or lost with their host, before they ended."""
        asked = select(StepRow.seq).where(
            StepRow.execution_id == execution_id,
            StepRow.kind == "undo",
            StepRow.status.in_(("cancelled", "lost")),
        )
        return list((await self.rows.execute(asked)).scalars())

    async def interrupted_attempts(self, execution_id: str) -> dict[int, int]:
        """The last attempt of each command of the program that was killed, or lost with its host, by the number of its
        step."""
        asked = select(StepRow.seq, StepRow.attempt).where(
            StepRow.execution_id == execution_id,
            StepRow.kind == "exec",
            StepRow.status.in_(("cancelled", "lost")),
        )
        return {row.seq: row.attempt for row in await self.rows.execute(asked)}

    async def last_begun(self, execution_id: str) -> int:
        """The number of the last step of the run that has begun, undo blocks aside; 0 where none has."""
        asked = select(func.max(StepRow.seq)).where(
            StepRow.execution_id == execution_id, StepRow.kind != "undo"
        )
        return (await self.rows.execute(asked)).scalar_one() or 0

    async def undo_entries(self, execution_id: str, seqs: Sequence[int]) -> list[Step]:
        """Those of the steps that have a compensation, in the order of their starts."""
        asked = (
            select(*columns(Step, StepRow))
            .where(StepRow.execution_id == execution_id, StepRow.seq.in_(seqs), StepRow.undo.is_not(None))
            .order_by(StepRow.seq)
        )
        return [Step(*row) for row in await self.rows.execute(asked)]

    async def results(
        self, execution_id: str, seqs: Sequence[int], most_bytes: int
    ) -> tuple[dict[int, tuple[str, int, str]], bool]:
        """Kind, line and result of those of the steps that have one, in order, until they are more than
        `most_bytes`: then the second value is true."""
        found: dict[int, tuple[str, int, str]] = {}
        size = 0
        for at in range(0, len(seqs), RESULTS_AT_ONCE):
            asked = select(StepRow.seq, StepRow.kind, StepRow.line, StepRow.result).where(
                StepRow.execution_id == execution_id,
                StepRow.seq.in_(seqs[at : at + RESULTS_AT_ONCE]),
                StepRow.result.is_not(None),
            )
            for seq, kind, line, result in await self.rows.execute(asked):
                assert result is not None
                found[seq] = (kind, line, result)
                size += len(result)
            if size > most_bytes:
                return found, True
        return found, False

    async def undo_blocks(self, execution_id: str, most_bytes: int) -> tuple[list[UndoBlockRun], bool]:
        """The undo blocks that have begun, in order, until they are more than `most_bytes`: then the second value is
        true."""
        found: list[UndoBlockRun] = []
        size, last = 0, 0
        asked = select(*columns(UndoBlockRun, StepRow)).where(
            StepRow.execution_id == execution_id, StepRow.kind == "undo"
        )
        while True:
            more = asked.where(StepRow.seq > last).order_by(StepRow.seq).limit(RESULTS_AT_ONCE)
            rows = [UndoBlockRun(*row) for row in await self.rows.execute(more)]
            found += rows
            size += sum(len(one.command) + len(one.arguments or "") + len(one.result or "") for one in rows)
            if size > most_bytes:
                return found, True
            if len(rows) < RESULTS_AT_ONCE:
                return found, False
            last = rows[-1].seq

    async def named(self, execution_id: str, seqs: Sequence[int]) -> dict[int, tuple[int, str]]:
        """The line and the command of these steps."""
        asked = select(StepRow.seq, StepRow.line, StepRow.command).where(
            StepRow.execution_id == execution_id, StepRow.seq.in_(seqs)
        )
        return {seq: (line, command) for seq, line, command in await self.rows.execute(asked)}


OF_RUN = Listed(
    select(*columns(Step, StepRow)).where(StepRow.execution_id == bindparam("run", None)), IN_ORDER, Step
)
