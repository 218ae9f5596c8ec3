"""What people and other workflows send to a run under way: the inputs of its updates and signals."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from codeai.workflows.contracts.base import Contract


class DecideInput(Contract):
    """`approve` or `reject`. Without `step` it is for the only approval that is open."""

    step: int | None = Field(None, ge=1, description="the step's number in the run")
    by: str | None = Field(None, max_length=255, description="who decided")
    comment: str | None = Field(None, max_length=4096)


class Decision(Contract):
    """What somebody decided about an approval."""

    approved: bool
    by: str | None = None
    comment: str | None = None
    at: float = Field(description="seconds since 1970")


class HoldInput(Contract):
    """`pause` or `resume`."""

    by: str | None = Field(None, max_length=255)
    comment: str | None = Field(None, max_length=4096)


class Answered(Contract):
    """The answer to a command: the run's status from now on."""

    status: str
    step: int | None = None


class EventArrived(Contract):
    """The signal `event`: an event that a waiting step asked for was stored."""

    step: int
    event: dict[str, Any]
