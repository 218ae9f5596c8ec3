"""Events: published by people, read by all who may."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy import ColumnElement
from temporalio.client import WorkflowFailureError

from codeai.api.allowances import CallersStream
from codeai.api.auth.caller import Caller
from codeai.api.dependencies import IdempotencyKey, Paged, Parts, Rows, Using, require_permission
from codeai.api.event_stream import EventStream
from codeai.api.lifetimes import Lifetime
from codeai.api.operations import RPC_LIMIT, Operation, described, ending_of, is_running
from codeai.api.outages import reading
from codeai.api.problems import Refused
from codeai.api.queries import filter_of
from codeai.api.routing import Route
from codeai.api.starts import begin
from codeai.api.views import EventBody, EventView, Listing, StartedView
from codeai.persistence.events import Event, Events
from codeai.workflows.contracts.event_types import LONGEST as LONGEST_TYPE
from codeai.workflows.contracts.event_types import may_publish, ownership
from codeai.workflows.contracts.events import PublishInput
from codeai.workflows.contracts.kinds import PUBLISH_EVENT

router = APIRouter(prefix="/events", tags=["events"], route_class=Route)

Where = Annotated[ColumnElement[bool] | None, filter_of("events")]

Reader = Annotated[Caller, require_permission("events:read")]
Writer = Annotated[Caller, require_permission("events:write")]
OfType = Annotated[
    str | None, Query(max_length=LONGEST_TYPE, pattern=r"^[^\x00]*$", description="only events of this type")
]


@router.post("", status_code=202, response_model=StartedView)
async def publish_event(
    request: Request, parts: Using, caller: Writer, body: EventBody, key: IdempotencyKey = None
) -> Response:
    """Publishes an event: it is stored, then runs that wait for it go on."""
    if not may_publish(body.type):
        why = ownership(body.type)
        raise Refused("invalid", why, errors=[{"field": "body.type", "message": why}])
    asked = PublishInput(type=body.type, data=body.data, source="api", triggered_by=caller.subject)
    operation = await Operation.by(request, caller, key, asked)
    asked = asked.model_copy(update={"id": operation.id})
    summary = f"publish {body.type}"
    await begin(parts.temporal, PUBLISH_EVENT, operation, asked, f"event/{operation.id}", summary)
    headers = {"Location": f"/events/{operation.id}"}
    return JSONResponse(StartedView(id=operation.id).as_json(), status_code=202, headers=headers)


@router.get("")
async def list_events(
    _: Reader, rows: Rows, page: Paged, where: Where, type: OfType = None
) -> Listing[EventView]:
    """The events, newest first."""
    return Listing[EventView].of(await Events(rows).page(page, type, where), EventView.of)


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "The stream"}},
)
async def follow_events(
    parts: Using,
    caller: Reader,
    type: OfType = None,
    last_event_id: Annotated[UUID | None, Header(alias="Last-Event-ID")] = None,
) -> StreamingResponse:
    """New events as they are stored, as server-sent events. Goes on behind `Last-Event-ID`."""
    last = str(last_event_id) if last_event_id else None
    lifetime = Lifetime(caller, "events:read", parts.roles, parts.stopping)
    stream = EventStream(parts.database, lifetime, type, last)
    return CallersStream(stream.events(), parts.allowances, caller.subject)


@router.get("/{id}")
async def show_event(parts: Using, _: Reader, id: UUID) -> EventView | StartedView:
    """One event. While its row is not there yet Temporal says what is known of it."""
    found = await _row(parts, id)
    if found is not None:
        return EventView.of(found)
    workflow_id = PUBLISH_EVENT.workflow_id(str(id))
    publishing = await described(parts.temporal, workflow_id)
    if publishing is None:
        raise Refused("not_found", f"there is no event {id}")
    if is_running(publishing):
        return StartedView(id=str(id))
    # It may have been stored between the two questions.
    found = await _row(parts, id)
    if found is not None:
        return EventView.of(found)
    try:
        await parts.temporal.get_workflow_handle(workflow_id).result(rpc_timeout=RPC_LIMIT)
    except WorkflowFailureError as failure:
        ending = ending_of(failure)
        if ending.kind == "invalid_input":
            raise Refused(
                "invalid", ending.message, errors=(ending.value or {}).get("errors") or ()
            ) from None
        raise Refused("not_found", f"the event was not stored: {ending.message}") from None
    raise Refused("not_found", f"event {id} is kept no longer")


async def _row(parts: Parts, id: UUID) -> Event | None:
    async with reading(parts.database) as rows:
        return await Events(rows).get(str(id))
