"""Events as they are published, stored, awaited and seen by programs."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from codeai.dsl.faults import Fault
from codeai.dsl.limits import EFFECT_RESULT
from codeai.dsl.values import from_plain
from codeai.workflows.contracts.base import Contract, UuidText
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.event_types import naming, well_named
from codeai.workflows.contracts.steps import NO_NOTES, Notes, StepBegun


def _type(given: str) -> str:
    if not well_named(given):
        raise _wrong(naming())
    return given


def _data(given: dict[str, Any]) -> dict[str, Any]:
    """Data is a value of the language, so that every program can take it."""
    size = len(json.dumps(given, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass"))
    if size > EFFECT_RESULT.most:  # asked first: values are made in Python, half a million in a second
        raise _wrong(f"an event's data has at most {EFFECT_RESULT.most:,} bytes of JSON, not {size:,}")
    try:
        from_plain(given)
    except Fault as fault:
        raise _wrong(fault.message) from None
    return given


def _wrong(why: str) -> PydanticCustomError:
    return PydanticCustomError("event", "{why}", {"why": why})


EventType = Annotated[str, AfterValidator(_type)]
EventData = Annotated[dict[str, Any], AfterValidator(_data)]


class EventMetadata(Contract):
    """Where an event comes from: what all began with, what caused it, and how many events led to it."""

    correlation_id: str | None = None
    causation_id: str | None = None
    depth: int = Field(0, ge=0)


class EventRecord(Contract):
    """An event as it is stored, and as programs see it."""

    id: UuidText
    type: str
    source: str
    timestamp: float = Field(description="when it happened: seconds since 1970")
    data: dict[str, Any] = Field(default_factory=dict)
    metadata: EventMetadata = EventMetadata()

    def seen(self) -> dict[str, Any]:
        """The event as plain data."""
        return self.model_dump(mode="json")


class EventStored(Contract):
    """An event that is there: whoever waits for one of its type may be told."""

    id: str
    type: str


class PublishInput(Contract):
    """An event to be published. The platform's own types are taken from a workflow of ours alone: from a parent,
    which names itself by `source`."""

    type: EventType
    data: EventData = Field(default_factory=dict)
    source: str | None = Field(None, min_length=1, max_length=255, description="who says so")
    id: UuidText | None = Field(None, description="derived from the workflow where it is not given")
    correlation_id: str | None = Field(None, max_length=255)
    causation_id: str | None = Field(None, max_length=255)
    depth: int = Field(0, ge=0)
    triggered_by: str | None = None


class PublishResult(Contract):
    """The event that was stored."""

    id: str


class EmitInput(Contract):
    """One event of a program's `emit`. Its id is made of the step, so that a repeat stores nothing new."""

    execution_id: str
    workflow_id: str
    step: StepBegun
    type: str
    data: dict[str, Any] = Field(default_factory=dict)
    notes: Notes = NO_NOTES


class EmitResult(Contract):
    """The event's id, or why it was not stored."""

    id: str | None = None
    error: RunError | None = None


class WaitInput(Contract):
    """A step waits for an event of `type`, stored since `since`, whose data has all of `where`."""

    execution_id: str
    workflow_id: str
    step: StepBegun
    type: str
    where: dict[str, Any] = Field(default_factory=dict)
    since: float = Field(description="seconds since 1970")
    notes: Notes = NO_NOTES


class WaitResult(Contract):
    """The event, where it is there already: `{id, type, source, timestamp, data, metadata}`."""

    event: dict[str, Any] | None = None
    error: RunError | None = None


class WaitOver(Contract):
    """The step waits no longer."""

    execution_id: str
    step: int
