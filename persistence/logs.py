"""The log of a run: one ordered stream that a reader follows by offset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, UniqueConstraint, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from codeai.persistence.base import Base, Rows, columns, is_uuid, key
from codeai.persistence.executions import ExecutionRow

CHANNEL = "codeai_logs"
"""Postgres tells listeners on this channel which execution's log grew (its id)."""
MOST_BYTES = 100 * 1024 * 1024
"""Of log text per execution; what is over is dropped behind one line that says so."""

FULL = f"[this run has printed {MOST_BYTES >> 20} MiB: what it prints from here on is not kept]\n"


class LogRow(Base):
    __tablename__ = "execution_logs"

    execution_id: Mapped[str] = mapped_column(key(), primary_key=True)
    offset: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    step_id: Mapped[str | None] = mapped_column(key())
    attempt: Mapped[int]
    position: Mapped[int] = mapped_column(BigInteger)
    stream: Mapped[str]
    time: Mapped[datetime]
    text: Mapped[str]

    __table_args__ = (UniqueConstraint("step_id", "attempt", "position"),)


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A piece of output. `position` is its byte offset in the attempt's spool: with step and attempt it says
    which piece this is, so that the same piece written again is not doubled; it is `kept` also where the log is full,
    of which it takes nothing."""

    step_id: str | None
    attempt: int
    position: int
    stream: str
    time: datetime
    text: str
    kept: bool = False


@dataclass(frozen=True, slots=True)
class LogLine:
    """A piece of the log as it is read. `offset` grows from 1 in one execution."""

    offset: int
    step_id: str | None
    attempt: int
    stream: str
    time: datetime
    text: str


class NoSuchExecution(LookupError):
    """The log has no run to belong to: its row was not written yet."""

    def __init__(self, execution_id: str) -> None:
        super().__init__(f"execution {execution_id} has no row yet; open it before its log is written")


@dataclass(frozen=True, slots=True)
class Logs:
    """What is written to and read from a run's log."""

    rows: Rows

    async def append(self, execution_id: str, chunks: Sequence[NewChunk]) -> None:
        """Adds what is not there yet, and wakes the readers when the transaction is committed.

        The execution's row stays locked until then: offsets appear in their order, so who reads after the
        last one seen misses nothing. A worker that takes over a command writes again what it has printed, perhaps
        while the one before is still being heard: that counts once against the limit. Raises NoSuchExecution.
        """
        if not chunks:
            return
        run = ExecutionRow.id == execution_id
        asked = select(ExecutionRow.log_offset, ExecutionRow.log_bytes).where(run).with_for_update()
        held = (await self.rows.execute(asked)).one_or_none()
        if held is None:
            raise NoSuchExecution(execution_id)
        chunks = await self._unknown(chunks)  # by now nobody else writes
        if not chunks:
            return
        sizes = [0 if one.kept else len(one.text.encode("utf-8", "surrogatepass")) for one in chunks]
        offset, used = held.log_offset, held.log_bytes
        await self.rows.execute(
            update(ExecutionRow)
            .where(run)
            .values(log_offset=offset + len(chunks), log_bytes=used + sum(sizes))
            .returning(func.pg_notify(CHANNEL, execution_id))
        )
        lines: list[dict[str, object]] = []
        for chunk, size in zip(chunks, sizes, strict=True):
            offset += 1
            if used > MOST_BYTES and not chunk.kept:
                continue
            used += size
            over = used > MOST_BYTES and not chunk.kept
            lines.append(
                {
                    "execution_id": execution_id,
                    "offset": offset,
                    "step_id": chunk.step_id,
                    "attempt": chunk.attempt,
                    "position": chunk.position,
                    "stream": "system" if over else chunk.stream,
                    "time": chunk.time,
                    "text": FULL if over else chunk.text,
                }
            )
        if lines:
            new = insert(LogRow).on_conflict_do_nothing(index_elements=["step_id", "attempt", "position"])
            await self.rows.execute(new, lines)

    async def _unknown(self, chunks: Sequence[NewChunk]) -> list[NewChunk]:
        """Those that are not there yet, each once."""
        positions = [one.position for one in chunks]
        asked = select(LogRow.step_id, LogRow.attempt, LogRow.position).where(
            LogRow.step_id.in_({one.step_id for one in chunks}),
            LogRow.position.between(min(positions, default=0), max(positions, default=0)),
        )
        known = {(step, attempt, position) for step, attempt, position in await self.rows.execute(asked)}
        new = []
        for one in chunks:
            piece = (one.step_id, one.attempt, one.position)
            if one.step_id is None or piece not in known:
                new.append(one)
                known.add(piece)
        return new

    async def after(
        self,
        execution_id: str,
        offset: int = 0,
        limit: int = 1000,
        where: ColumnElement[bool] | None = None,
    ) -> list[LogLine]:
        """What comes behind `offset`, in order, and of which `where` is true; 0 is the beginning."""
        if not is_uuid(execution_id):
            return []
        asked = (
            select(*columns(LogLine, LogRow))
            .where(LogRow.execution_id == execution_id, LogRow.offset > offset)
            .order_by(LogRow.offset)
            .limit(limit)
        )
        if where is not None:
            asked = asked.where(where)
        return [LogLine(*row) for row in await self.rows.execute(asked)]
