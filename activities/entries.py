"""Entries of the audit log (★): what each says that a change, a start, a command or an opened secret is."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from codeai.activities.canonical import at, canonical
from codeai.logs import redacted
from codeai.persistence.audit import Audit, NewEntry
from codeai.persistence.base import now
from codeai.persistence.executions import Executions
from codeai.workflows.contracts.changes import ChangeInput
from codeai.workflows.contracts.executions import ExecutionRecord
from codeai.workflows.contracts.steps import Told


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a run comes from, as far as that is known."""

    workflow_id: str | None = None
    triggered_by: str | None = None
    request_id: str | None = None

    @classmethod
    async def of(cls, rows: AsyncSession, execution_id: str) -> Origin:
        started = await Audit(rows).one(start_of(execution_id))
        if started is not None:
            return cls(started.workflow_id, started.actor, started.request_id)
        run = await Executions(rows).get(execution_id)
        return cls() if run is None else cls(run.workflow_id, run.triggered_by)


def change_entry(
    given: ChangeInput, change: uuid.UUID, workflow_id: str | None, entity: str, told: Mapping[str, Any]
) -> NewEntry:
    """Something that people configure was changed; `told` is what it was before, and is after."""
    return NewEntry(
        id=str(change),
        at=now(),
        actor=given.triggered_by,
        via="api" if given.request_id else "temporal",
        action=given.action.value,
        entity=entity,
        request_id=given.request_id,
        details=canonical(redacted(told)),
        workflow_id=workflow_id,
    )


def start_entry(record: ExecutionRecord) -> NewEntry:
    """A run was started; one entry, whoever writes its row."""
    what = record.model_dump(
        include={"deployment_id", "config_id", "version", "content_hash"}, exclude_none=True
    )
    return NewEntry(
        id=start_of(record.id),
        at=at(record.started_at),
        actor=record.triggered_by,
        via=record.via,
        action="start",
        entity=f"execution/{record.id}",
        request_id=record.request_id,
        details=canonical(what),
        workflow_id=record.workflow_id,
    )


def start_of(execution_id: str) -> str:
    """The id of the entry that a run was started."""
    return str(uuid.uuid5(uuid.UUID(execution_id), "start"))


def command_entry(execution_id: str, told: Told) -> NewEntry:
    """Somebody said something to a run."""
    return NewEntry(
        id=told.id,
        at=at(told.at),
        actor=told.by,
        via=told.via,
        action=told.word,
        entity=f"execution/{execution_id}",
        request_id=told.request_id,
        details=canonical(told.details),
        workflow_id=told.workflow_id,
    )


def opening_entry(
    name: str, started: Origin, step_id: str, attempt: int, details: Mapping[str, Any]
) -> NewEntry:
    """A run opened a secret for an attempt of a step: one entry, however often that opens it. It is for whoever started
    the run, and for that request."""
    return NewEntry(
        id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"open\n{step_id}\n{attempt}\n{name}")),
        at=now(),
        actor=started.triggered_by,
        via="run",
        action="open",
        entity=f"secret/{name}",
        request_id=started.request_id,
        details=canonical(details),
        workflow_id=started.workflow_id,
    )
