"""What runs publish of themselves: stored with the rows that say the same, then told to whoever waits for it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from codeai.activities.telling import row_of, tell_waits
from codeai.persistence.engine import Database
from codeai.persistence.event_waits import EventWaits
from codeai.persistence.events import Events
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.event_types import OF_RUNS
from codeai.workflows.contracts.events import EventMetadata, EventRecord
from codeai.workflows.contracts.executions import ExecutionRecord, ExecutionStatus
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT


def run_events(
    record: ExecutionRecord, run: str, status: ExecutionStatus, at: float, error: RunError | None = None
) -> list[EventRecord]:
    """The events of a run that is `status` since `at`; the same at every attempt. `run` is the workflow run that says
    so: a run that is taken up again after its end may end a second time."""
    data = {
        "execution_id": record.id,
        "deployment_id": record.deployment_id,
        "config_id": record.config_id,
        "version": record.version,
        "triggered_by": record.triggered_by,
        "status": status.value,
        "error": None
        if error is None
        else {"kind": error.kind, "message": error.message, "line": error.line},
    }
    # A run below another one has the id of the step that started it.
    below = record.root is not None and record.root != record.id
    return [
        EventRecord(
            id=str(uuid.uuid5(uuid.UUID(record.id), f"{type}\n{run}")),
            type=type,
            source=EXECUTE_DEPLOYMENT.type,
            timestamp=at,
            data=data,
            metadata=EventMetadata(
                correlation_id=record.root or record.id, causation_id=record.id if below else None
            ),
        )
        for type in OF_RUNS.get(status, ())
    ]


async def store_events(rows: AsyncSession, events: Sequence[EventRecord]) -> None:
    """Inside the transaction that writes what they tell."""
    for event in events:
        await Events(rows).store(row_of(event))


async def tell_events(database: Database, events: Sequence[EventRecord]) -> None:
    """After that transaction; those that were not stored are told to nobody."""
    if not events:
        return
    async with database.session() as rows:
        awaited = await EventWaits(rows).awaited(event.type for event in events)
    for event in events:
        if event.type in awaited:
            await tell_waits(database, event.id, event.type)
