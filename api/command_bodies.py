"""What requests that send a command to a run have to say."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from codeai.workflows.contracts.base import Contract
from codeai.workflows.contracts.commands import MOST_COMMENT, MOST_PROGRAM


class DecideBody(Contract):
    """A decision. Without `step` it is for the only approval of the run that is open."""

    step: int | None = Field(default=None, ge=1, le=2_147_483_647, description="the step's number")
    comment: str | None = Field(default=None, max_length=MOST_COMMENT)


class HoldBody(Contract):
    """Why a run is paused, goes on or is cancelled."""

    comment: str | None = Field(default=None, max_length=MOST_COMMENT)


class ParkedBody(Contract):
    """For whom a command to a parked run is. Without `fibre` it is for the only one that is parked."""

    fibre: int | None = Field(default=None, ge=1, le=2_147_483_647, description="the fibre's number")
    comment: str | None = Field(default=None, max_length=MOST_COMMENT)


class RetryBody(ParkedBody):
    """A retry: of a parked statement, or of a run that has ended."""

    wait: bool = Field(
        default=False, description="of an ended run: answer with the result if it is there within 55 s"
    )


class PatchBody(Contract):
    """An edited program: all of it that has run must be unchanged."""

    program: str = Field(max_length=MOST_PROGRAM)
    comment: str | None = Field(default=None, max_length=MOST_COMMENT)
    wait: bool = Field(
        default=False, description="of an ended run: answer with the result if it is there within 55 s"
    )


class SkipBody(ParkedBody):
    """What the failed statement's expression is taken to be."""

    value: Any = None


class SetBody(ParkedBody):
    """Another value for a variable that the failed statement sees."""

    name: str = Field(min_length=1, max_length=255)
    value: Any


class CompensateBody(Contract):
    """How long is waited for."""

    comment: str | None = Field(default=None, max_length=MOST_COMMENT)
    wait: bool = Field(default=False, description="answer with the result if it is there within 55 s")
