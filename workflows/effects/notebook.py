"""The notebook of a run: what is to be written, until a record takes it along or it is written on its own."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

from temporalio import workflow

from codeai.workflows import calls
from codeai.workflows.contracts.events import EventRecord
from codeai.workflows.contracts.records import NotesInput
from codeai.workflows.contracts.steps import LogLine, Notes, StepBegun, StepEnded, Told

Note: TypeAlias = "LogLine | StepBegun | StepEnded | Told"

KEPT = 64 * 1024
"""Bytes of notes that may wait for the next record."""
MOST_AT_ONCE = 512 * 1024
"""Bytes of notes that one record takes (a step's answer has up to 256 KiB)."""


class Notebook:
    """Notes are taken in their order, and written in it: whoever takes some waits for those under way."""

    def __init__(self, execution_id: str) -> None:
        self._execution_id = execution_id
        self._notes: list[tuple[Note, int]] = []
        self._events: list[EventRecord] = []
        self._status: tuple[str, str | None, bool] | None = None
        self._told = "running"
        """The status that was told last."""
        self._bytes = 0
        self._is_awaited = False
        self._writing: asyncio.Task[None] | None = None
        self.broken: BaseException | None = None

    @property
    def is_urgent(self) -> bool:
        """Something in it must not wait for the next record: a person may have to act on it, or it is long."""
        return self._writing is None and (
            self._status is not None
            or self._bytes > KEPT
            or bool(self._events)
            or (self._is_awaited and bool(self._notes))
        )

    @property
    def is_empty(self) -> bool:
        return not self._notes and not self._events and self._status is None and self._writing is None

    @property
    def _size(self) -> int:
        """Bytes as they are sent."""
        return sum(len(note.model_dump_json().encode()) for note, _ in self._notes)

    def log(
        self, step_id: str, level: str, text: str, *, is_awaited: bool = False, is_kept: bool = False
    ) -> None:
        """A line of the run's log. `is_awaited`: somebody has to act on it; `is_kept`: also where the log is full."""
        kept = is_kept or is_awaited
        line = LogLine(step_id=step_id, level=level, text=text, time=workflow.time(), kept=kept)
        self._keep(line, len(text), is_awaited=is_awaited)

    def begin(self, step: StepBegun, size: int = 0) -> None:
        self._keep(step, size)

    def end(
        self,
        step_id: str,
        status: str,
        answer: dict[str, Any],
        size: int = 0,
        *,
        attempt: int = 1,
        is_awaited: bool = False,
    ) -> None:
        """A step ended. `is_awaited`: people look whether it has, as they do at an approval."""
        ended = StepEnded(
            step_id=step_id, attempt=attempt, status=status, answer=answer, completed_at=workflow.time()
        )
        self._keep(ended, size, is_awaited=is_awaited)

    def told(self, told: Told, size: int = 0) -> None:
        """Somebody said something to the run: people look whether it was taken."""
        self._keep(told, size, is_awaited=True)

    def publish(self, event: EventRecord) -> None:
        """Something happened that others may wait for. Only a record of its own takes it along: whoever stores an
        event has to tell it."""
        self._events.append(event)

    def status(self, status: str, text: str | None, *, reopens: bool = False) -> None:
        """Where the run is from now on."""
        not_told = self._status is not None and self._status[2]
        self._status = (status, text, reopens or not_told)
        self._told = status

    def says(self, text: str) -> None:
        """What the run says of itself from now on."""
        self.status(self._told, text)

    async def take(self, room: int = MOST_AT_ONCE) -> Notes:
        """All notes, for a record that is about to be sent, which has room for so many bytes of them."""
        room = min(room, MOST_AT_ONCE)
        while self._writing is not None or self._events or self._bytes > MOST_AT_ONCE or self._size > room:
            await self.write()
        return self._taken()

    def write_soon(self) -> None:
        """Has everything written; nobody waits for it."""
        if self._writing is None and (self._notes or self._events or self._status):
            self._writing = asyncio.ensure_future(self._write())

    async def write(self) -> None:
        """Has everything written that is in it now. Raises what broke in one of ours."""
        self.write_soon()
        while (writing := self._writing) is not None:
            await asyncio.shield(writing)
        if self.broken is not None:
            raise self.broken

    def restore(self, notes: Notes) -> None:
        """Notes that were sent along and may never have arrived: they are written again, before those that came
        later, which changes nothing where they have."""
        later, self._notes = self._notes, []
        sent: tuple[Note, ...] = (*notes.lines, *notes.begun, *notes.ended, *notes.told)
        for note in sent:
            self._keep(note, len(note.model_dump_json()))
        self._notes += later

    def _keep(self, note: Note, size: int, *, is_awaited: bool = False) -> None:
        self._is_awaited = self._is_awaited or is_awaited or isinstance(note, StepBegun)
        self._notes.append((note, size + 200))
        self._bytes += size + 200

    def _taken(self) -> Notes:
        taken: list[Note] = []
        size = 0
        while self._notes and (not taken or size + self._notes[0][1] <= MOST_AT_ONCE):
            note, own = self._notes.pop(0)
            taken.append(note)
            size += own
        self._bytes -= size
        self._is_awaited = self._is_awaited and bool(self._notes)
        status, text, reopens = None, None, False
        if not self._notes and self._status is not None:
            status, text, reopens = self._status
            self._status = None
        return Notes(
            lines=tuple(note for note in taken if isinstance(note, LogLine)),
            begun=tuple(note for note in taken if isinstance(note, StepBegun)),
            ended=tuple(note for note in taken if isinstance(note, StepEnded)),
            told=tuple(note for note in taken if isinstance(note, Told)),
            status=status,
            status_text=text,
            reopens=reopens,
        )

    async def _write(self) -> None:
        try:
            while self._notes or self._events or self._status:
                # An event comes with the last of the notes, or after them: they say the same.
                notes = self._taken()
                events, self._events = ([], self._events) if self._notes else (self._events, [])
                given = NotesInput(execution_id=self._execution_id, notes=notes, events=tuple(events))
                await calls.WRITE_NOTES(given)
        except BaseException as error:  # noqa: BLE001 - handed to the run's loop, which raises it
            self.broken = error
        finally:
            self._writing = None
