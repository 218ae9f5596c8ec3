"""`emit` and `wait_event`: a program publishes an event, and waits for one."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio import activity

from codeai.activities.canonical import at, canonical
from codeai.activities.notes import write_notes_of
from codeai.activities.telling import first_match, row_of, tell_waits
from codeai.persistence.engine import Database
from codeai.persistence.event_waits import EventWait, EventWaits
from codeai.persistence.events import Events
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.event_types import may_publish, naming, ownership, well_named
from codeai.workflows.contracts.events import (
    EmitInput,
    EmitResult,
    EventMetadata,
    EventRecord,
    WaitInput,
    WaitOver,
    WaitResult,
)
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
from codeai.workflows.contracts.records import Nothing
from codeai.workflows.contracts.steps import Notes, StepBegun


@dataclass(frozen=True, slots=True)
class EventEffects:
    """The activities of programs that have to do with events."""

    database: Database

    @activity.defn(name="emit_event")
    async def emit_event(self, given: EmitInput) -> EmitResult:
        error = _misnamed(given.type, given.step.line) or _not_theirs(given.type, given.step.line)
        event = EventRecord(
            id=str(uuid.uuid5(uuid.UUID(given.step.step_id), "event")),
            type=given.type,
            source=EXECUTE_DEPLOYMENT.type,
            timestamp=given.step.started_at,
            data=given.data,
            metadata=EventMetadata(correlation_id=given.execution_id, causation_id=given.step.step_id),
        )
        async with self.database.transaction() as rows:
            await write_notes_of(rows, given.execution_id, _with(given.notes, given.step))
            if error is None:
                await Events(rows).store(row_of(event))
        if error is not None:
            return EmitResult(error=error)
        await tell_waits(self.database, event.id, event.type)
        return EmitResult(id=event.id)

    @activity.defn(name="await_event")
    async def await_event(self, given: WaitInput) -> WaitResult:
        error = _misnamed(given.type, given.step.line)
        wait = EventWait(
            execution_id=given.execution_id,
            step=given.step.seq,
            workflow_id=given.workflow_id,
            type=given.type,
            where=canonical(given.where),
            since=at(given.since),
        )
        async with self.database.transaction() as rows:
            await write_notes_of(rows, given.execution_id, _with(given.notes, given.step))
            if error is None:
                await EventWaits(rows).begin(wait)
        if error is not None:
            return WaitResult(error=error)
        found = await first_match(self.database, wait)
        if found is None:
            return WaitResult()
        await self.end_wait(WaitOver(execution_id=wait.execution_id, step=wait.step))
        return WaitResult(event=found.seen())

    @activity.defn(name="end_wait")
    async def end_wait(self, given: WaitOver) -> Nothing:
        async with self.database.single() as rows:
            await EventWaits(rows).end(given.execution_id, given.step)
        return Nothing()

    def activities(self) -> list[Callable[..., Any]]:
        return [self.emit_event, self.await_event, self.end_wait]


def _with(notes: Notes, step: StepBegun) -> Notes:
    """The notes and the step that takes them along."""
    return notes.model_copy(update={"begun": (*notes.begun, step)})


def _misnamed(type: str, line: int) -> RunError | None:
    return None if well_named(type) else RunError(kind="value_error", message=naming(), line=line)


def _not_theirs(type: str, line: int) -> RunError | None:
    return None if may_publish(type) else RunError(kind="value_error", message=ownership(type), line=line)
