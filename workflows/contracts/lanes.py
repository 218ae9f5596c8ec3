"""`Lane`: who may run under a concurrency key, one at a time."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from codeai.workflows.contracts.base import Contract
from codeai.workflows.contracts.executions import ExecutionRecord


class Concurrency(StrEnum):
    """What a second run of a deployment does: waits, takes the first one's place, ends, or runs beside it."""

    QUEUE = "queue"
    REPLACE = "replace"
    REJECT = "reject"
    PARALLEL = "parallel"


class Turn(Contract):
    """A run that asks a lane for its turn."""

    execution: str
    workflow_id: str
    run: str = Field(description="the first of its workflow runs: what continues it has the same")
    since: float = Field(description="when it started: seconds since 1970")
    concurrency: Concurrency = Concurrency.QUEUE


class LaneAnswer(Contract):
    """What a lane answers; asked again it answers the same."""

    answer: Literal["granted", "queued", "rejected"]
    position: int | None = Field(None, description="in the queue, from 1")
    holder: str | None = Field(None, description="the execution that has the lane")


class ReleaseInput(Contract):
    """A run wants its turn no longer: it has ended, whether it had it or not."""

    run: str


class LaneState(Contract):
    """What a lane knows, and carries when it continues as new."""

    holder: Turn | None = None
    called: bool = Field(False, description="the holder came from the queue and was not told yet")
    queue: tuple[Turn, ...] = Field((), description="by the runs' start times")
    unwanted: tuple[Turn, ...] = Field((), description="replaced, and not cancelled yet")
    gone: tuple[str, ...] = Field((), description="runs that were here, the newest last")

    @property
    def is_empty(self) -> bool:
        return self.holder is None and not self.queue and not self.unwanted


class LaneInput(Contract):
    """A lane begins empty, or with what it knew when it continued as new."""

    carried: LaneState = LaneState()


class LaneResult(Contract):
    """A lane has ended: nobody wanted it for a while."""


class TakeLane(Contract):
    """Asks the lane for a run, and writes the run's first row."""

    key: str
    turn: Turn
    execution: ExecutionRecord


class ReleaseLane(Contract):
    """Tells the lane that a run has ended."""

    key: str
    run: str


class TurnsWanted(Contract):
    """A lane that begins asks whether there was one before it that did not end by itself."""

    key: str


class TurnsKnown(Contract):
    """Whose the lane is as far as the rows say, and who waits for it."""

    holder: Turn | None = None
    queue: tuple[Turn, ...] = ()


class TurnInput(Contract):
    """A run that its lane tells something, or looks at."""

    key: str
    turn: Turn


class Told(Contract):
    """Whether the run was there to be told."""

    told: bool


class Whereabouts(Contract):
    """A run may have commands on that host."""

    execution: str
    host: str
    lost_after: float | None = Field(
        None, description="seconds of the host's silence after which they are dead; none: it is waited for"
    )
    lease_is_over: bool = Field(False, description="they are dead, whether the host answers or not")


class TurnFound(Contract):
    """Whether a run, or one below it, still goes on; if not, where commands of theirs may still run."""

    running: bool
    commands: tuple[Whereabouts, ...] = ()
