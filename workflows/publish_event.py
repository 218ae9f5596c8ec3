"""`PublishEvent`: one event, stored and then handed to whoever has asked for it."""

from __future__ import annotations

import uuid

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from codeai.workflows import calls
    from codeai.workflows.attributes import describe, describe_status
    from codeai.workflows.contracts.decoding import NOTHING, InvalidInput, decode
    from codeai.workflows.contracts.event_types import may_publish, ownership
    from codeai.workflows.contracts.events import EventMetadata, EventRecord, PublishInput, PublishResult
    from codeai.workflows.contracts.kinds import PUBLISH_EVENT


@workflow.defn(name=PUBLISH_EVENT.type)
class PublishEvent:
    """Validates, stores, delivers. Nobody hears of an event that is not stored."""

    def __init__(self) -> None:
        self.stage = "running"

    @workflow.run
    async def run(self, raw: RawValue = NOTHING) -> PublishResult:
        try:
            asked = _permitted(decode(raw.payload.data, PublishInput))
        except InvalidInput as error:
            self.stage = "failed"
            raise ApplicationError(
                str(error), {"errors": list(error.errors)}, type="invalid_input", non_retryable=True
            ) from None
        event = _event(asked)
        describe(PUBLISH_EVENT.type, f"event/{event.id}", asked.triggered_by)
        stored = await calls.STORE_EVENT(event)
        await calls.TELL_WAITS(stored)
        self.stage = "completed"
        describe_status(self.stage)
        return PublishResult(id=stored.id)

    @workflow.query
    def status(self) -> str:
        return self.stage


def _permitted(asked: PublishInput) -> PublishInput:
    """Raises InvalidInput where the type is the platform's own and no workflow of ours is our parent."""
    by = asked.source if workflow.info().parent is not None else None
    if may_publish(asked.type, by):
        return asked
    why = ownership(asked.type)
    raise InvalidInput(why, ({"field": "type", "message": why},))


def _event(asked: PublishInput) -> EventRecord:
    """What is stored; the same however often this run is replayed."""
    info = workflow.info()
    id = asked.id or _id_of(info.workflow_id, info.first_execution_run_id)
    return EventRecord(
        id=id,
        type=asked.type,
        source=asked.source or "temporal",
        timestamp=info.workflow_start_time.timestamp(),
        data=asked.data,
        metadata=EventMetadata(
            correlation_id=asked.correlation_id or id, causation_id=asked.causation_id, depth=asked.depth
        ),
    )


def _id_of(workflow_id: str, run_id: str) -> str:
    """The UUID in `event/<uuid>`, else one made of the workflow."""
    try:
        return str(uuid.UUID(workflow_id.removeprefix(PUBLISH_EVENT.workflow_id(""))))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{workflow_id}\n{run_id}"))
