"""What people and other workflows send to a run under way: the inputs of its updates and signals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from codeai.dsl.brief import brief
from codeai.workflows.contracts.base import Contract

MOST_PROGRAM = 1024 * 1024
"""Characters of a program's text."""
MOST_COMMENT = 4096
_OF_API = re.compile(
    r"(?P<word>cancel|stop) by (?P<by>.{1,255}?), request (?P<request>[A-Za-z0-9._-]{1,128})(: (?P<why>.+))?",
    re.DOTALL,
)
Via = Literal["api", "temporal"]


class Command(Contract):
    """What every command says of itself: who gives it, why, and by which way it came."""

    by: str | None = Field(None, max_length=255, description="who gives it")
    comment: str | None = Field(None, max_length=MOST_COMMENT, description="why")
    via: Via = "temporal"
    request_id: str | None = Field(None, max_length=128, description="of the request that it came by")
    id: str | None = Field(None, max_length=255, description="names this word: sent again it counts once")
    body: str | None = Field(
        None, max_length=255, description="hash of what is asked: the same id with another one is refused"
    )


class DecideInput(Command):
    """`approve` or `reject`. Without `step` it is for the only approval that is open. What came by the API has its
    signature."""

    step: int | None = Field(None, ge=1, description="the step's number in the run")
    signed_at: int | None = Field(None, description="seconds since 1970")
    signature: str | None = Field(None, max_length=128, description="of the API: Ed25519, base64")


class CheckInput(Contract):
    """A decision about an approval of a run, to be looked at before it counts."""

    execution_id: str
    approved: bool
    decision: DecideInput


class Checked(Contract):
    """By which way a decision came; or why it does not count."""

    via: Via = "temporal"
    refusal: str | None = None


class Decision(Contract):
    """What somebody decided about an approval."""

    approved: bool
    by: str | None = None
    comment: str | None = None
    at: float = Field(description="seconds since 1970")


class HoldInput(Command):
    """`pause` or `resume`."""


class ParkedInput(Command):
    """`retry`, `rollback` or `abort`. Without `fibre` it is for the only one that is parked."""

    fibre: int | None = Field(None, ge=1, description="the fibre's number")


class SkipInput(ParkedInput):
    """`skip`: the failed statement's expression has this value."""

    value: Any = None


class SetInput(ParkedInput):
    """`set`: a variable that the failed statement sees has this value."""

    name: str = Field(min_length=1, max_length=255)
    value: Any


class CancelInput(Command):
    """Why a run is cancelled: `cancel`, or `stop` of its deployment. Temporal's cancel takes a text alone, which people
    read in its Web UI."""

    word: Literal["cancel", "stop"] = "cancel"

    def as_reason(self) -> str:
        why = f": {self.comment}" if self.comment else ""
        return f"{self.word} by {self.by}, request {self.request_id}{why}"

    @classmethod
    def of_reason(cls, reason: str | None) -> CancelInput:
        """What a reason says; one of somebody else's is a comment."""
        found = _OF_API.fullmatch(reason or "")
        if found is None:
            return cls(comment=(reason or "")[:MOST_COMMENT] or None)
        return cls(
            word=found["word"],
            by=found["by"],
            request_id=found["request"],
            comment=found["why"],
            via="api",
        )


class PatchCommand(Command):
    """`patch`: the run goes on with this program."""

    program: str = Field(max_length=MOST_PROGRAM)
    use_secrets: bool = Field(
        True, description="whether who gives it may use secrets; else the run no longer may"
    )


class Answered(Contract):
    """The answer to a command: the run's status from now on."""

    status: str
    step: int | None = None
    fibre: int | None = None
    body: str | None = Field(None, description="of the command that is answered")


class EventArrived(Contract):
    """The signal `event`: an event that a waiting step asked for was stored."""

    step: int
    event: dict[str, Any]


def several(asked: Mapping[int, str]) -> str:
    """What is said to somebody who does not say which approval he means: the text of each, by its step."""
    listed = "; ".join(f"step {step}: {' '.join(brief(text, 200).split())}" for step, text in asked.items())
    return f"{len(asked)} approvals are open, name the step of one: {listed}"
