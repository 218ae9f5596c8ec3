"""Events as runs publish and await them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from codeai.workflows.contracts.base import Contract
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.steps import NO_NOTES, Notes, StepBegun


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
