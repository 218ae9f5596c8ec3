"""`ExecuteDeployment`: its input, result and the models of the activities that it calls."""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from codeai.dsl.builtins_time import LONGEST
from codeai.workflows.contracts.base import Contract, Exchanged, UuidText
from codeai.workflows.contracts.commands import MOST_COMMENT, Decision, Via
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.hosts import Place
from codeai.workflows.contracts.shell import WorkspaceSeed
from codeai.workflows.contracts.steps import NO_NOTES, Notes


class ExecutionStatus(StrEnum):
    """Statuses of an execution (PLATFORM.md, 4)."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    PARKED = "parked"
    UNDOING = "undoing"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"
    COMPENSATED = "compensated"
    REJECTED = "rejected"


ENDED = frozenset(
    {
        ExecutionStatus.COMPLETE,
        ExecutionStatus.FAILED,
        ExecutionStatus.CANCELLED,
        ExecutionStatus.COMPENSATED,
        ExecutionStatus.REJECTED,
    }
)


class FailurePolicy(StrEnum):
    """What an uncaught error does: run the undo stack, wait for a person, or stop there."""

    UNDO = "undo"
    PARK = "park"
    FAIL = "fail"


ParkTimeout = Annotated[float, Field(gt=0, le=LONGEST)]
"""Seconds that a run may be parked: no longer than any duration of the language, which timers can take."""


class ExecutionRecord(Exchanged):
    """The first row of a run."""

    id: str
    workflow_id: str
    deployment_id: str | None = None
    config_id: str | None = None
    version: int | None = None
    content_hash: str | None = None
    inputs: dict[str, Any] = Field(default_factory=dict)
    failure_policy: FailurePolicy = FailurePolicy.UNDO
    triggered_by: str | None = None
    via: str = Field("temporal", description="how it was started: api, temporal or run (by another run)")
    request_id: str | None = Field(None, description="of the request that it was started by")
    started_at: float = Field(description="seconds since 1970")
    root: str | None = Field(None, description="the execution that it all began with, where that is known")


class Budget(Exchanged):
    """How large one workflow run may grow. Answered by an activity and carried, so that replay decides alike:
    from `soft` on it continues as new when nothing is in flight, from `hard` on nothing is started before."""

    soft_events: int = 4_000
    soft_bytes: int = 4 * 2**20
    hard_events: int = 12_000
    hard_bytes: int = 16 * 2**20


class Undoing(Contract):
    """An undo stack that is being run."""

    steps: tuple[int, ...] = Field(description="still to be undone; the last one is next")
    next_seq: int = Field(description="number of the next step")
    status: ExecutionStatus = Field(description="how the run will have ended")
    error: RunError | None = Field(None, description="why it is undone; none where somebody asked for it")
    failed: tuple[dict[str, Any], ...] = ()
    unsaid: int = Field(0, description="how many more have failed")


PARK_TIMEOUT = 7 * 24 * 3600.0
"""Seconds that a parked run waits for somebody, unless its deployment or its start says otherwise."""


class Parking(Contract):
    """How a run is parked: for at most `timeout` seconds, `since` when, which fibres its log has told of."""

    timeout: float = PARK_TIMEOUT
    since: float | None = None
    told: tuple[int, ...] = ()

    @property
    def until(self) -> float | None:
        """When it is rolled back: seconds since 1970."""
        return None if self.since is None else self.since + self.timeout


class Carried(Contract):
    """What continue-as-new carries: written by the workflow alone."""

    record: ExecutionRecord
    program: str = Field(description="content hash of the program's text")
    state: str = Field(description="the machine's state, deflated, base64")
    places: dict[str, Place] = Field(
        default_factory=dict, description="label -> host; the one without a label: ''"
    )
    lost: tuple[str, ...] = Field((), description="hosts that the run has found lost")
    at: dict[int, Place] = Field(default_factory=dict, description="step -> where its attempt under way is")
    silent: dict[int, float] = Field(
        default_factory=dict, description="step -> since when its host is silent"
    )
    budget: Budget
    cancelled: bool = False
    undoing: Undoing | None = None
    attempts: dict[int, int] = Field(default_factory=dict, description="step -> attempt under way")
    tried: dict[int, int] = Field(default_factory=dict, description="step -> attempts before a retry")
    has_run: tuple[int, ...] = Field((), description="steps of which an attempt before has begun")
    parking: Parking = Parking()
    ends_by: str | None = Field(None, description="the word that ends it: rollback or abort")
    heard: tuple[str, ...] = Field((), description="the ids of the commands that came last")
    refusals: dict[str, tuple[str, str]] = Field(
        {}, description="code and message of those that were refused"
    )
    bodies: dict[str, str] = Field({}, description="the hashes of what was asked by those ids")
    undone: bool = Field(False, description="an undo block has run")
    undo_seq: int = Field(0, description="the next undo block's step; 0: none has run")
    since: dict[int, float] = Field(default_factory=dict, description="step -> when it began to wait")
    status_text: str | None = None
    paused: bool = False
    use_secrets: bool = True
    depth: int = 0
    workspace: WorkspaceSeed | None = None
    decisions: dict[int, Decision] = Field(default_factory=dict, description="step -> taken, not read yet")
    secrets: tuple[str, ...] = Field((), description="names of those that steps were given")
    run: int = Field(1, description="the number of this workflow run, from 1")
    lane: str | None = Field(None, description="the concurrency key of the lane that it has")


class Queued(Contract):
    """A run that waits in its lane, when it continues as new: it stays the run that it was when it first asked."""

    record: ExecutionRecord
    program: str = Field(description="content hash of the program's text")
    lane: str
    concurrency: str
    position: int | None = None
    park_timeout: float | None = None
    workspace: WorkspaceSeed | None = None
    paused: bool = False
    heard: tuple[str, ...] = ()
    refusals: dict[str, tuple[str, str]] = Field({}, description="as in `Carried`")
    bodies: dict[str, str] = Field({}, description="as in `Carried`")
    early: Notes = NO_NOTES
    run: int = Field(description="the number of this workflow run, from 1")

    @property
    def said(self) -> dict[str, Any]:
        """What was said to it, under the names of `Carried`."""
        return {name: getattr(self, name) for name in ("paused", "heard", "refusals", "bodies")}


class ExecuteInput(Contract):
    """One run of one program. One of `deployment`, `config` and `program` says which."""

    execution: UuidText | None = Field(
        None, description="UUID; derived from the workflow where it is not given"
    )
    deployment: str | None = Field(None, description="id or name of a deployment")
    config: str | None = Field(None, description="id or name of a config")
    program: str | None = Field(None, description="the program's text; of `patch` the edited one")
    version: int | None = Field(None, ge=1, description="of the config; the newest where it is not given")
    inputs: dict[str, Any] = Field(default_factory=dict)
    values: dict[str, Any] | None = Field(
        None, description="the inputs of a run(), as the machine keeps values; they may hold secrets"
    )
    failure_policy: FailurePolicy | None = None
    park_timeout: ParkTimeout | None = Field(None, description="seconds; the deployment's, else 7 days")
    workspace: WorkspaceSeed | None = None
    triggered_by: str | None = None
    use_secrets: bool = Field(True, description="whether who started it may use secrets")
    depth: int = Field(0, ge=0, description="how many runs stand above it, by run()")
    do: Literal["compensate", "retry", "patch"] | None = Field(
        None, description="a command to an ended run; needs `execution`"
    )
    comment: str | None = Field(
        None, max_length=MOST_COMMENT, description="why, of a command to an ended run"
    )
    via: Via = "temporal"
    request_id: str | None = Field(None, max_length=128, description="of the request that it came by")
    carried: Carried | None = Field(None, description="set by the workflow itself when it continues as new")
    queued: Queued | None = Field(None, description="the same, before it has begun")
    queued_since: float | None = Field(
        None, description="the same: when it first asked its lane, which is its place there"
    )
    ended_as: str | None = Field(
        None, description="the same: the status of an ended run before a command to it"
    )


class ExecuteResult(Contract):
    """How a run ended."""

    execution_id: str
    status: ExecutionStatus
    result: Any = None
    error: RunError | None = None
    undo_failed: tuple[dict[str, Any], ...] = ()


def derived_id(workflow_id: str, first_run: str) -> str:
    """The id of an execution that was given none: the same in all the workflow runs that continue the first."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{workflow_id}\n{first_run}"))


def entity_of(asked: ExecuteInput, execution: str) -> str:
    """What a run works for, as `<kind>/<id>`."""
    if asked.deployment is not None:
        return f"deployment/{asked.deployment}"
    if asked.config is not None:
        return f"config/{asked.config}"
    return f"execution/{execution}"
