"""`ExecuteDeployment`: its input, result and the models of the activities that it calls."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from codeai.workflows.contracts.base import Contract
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.shell import WorkspaceSeed


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


class Carried(Contract):
    """What continue-as-new carries: written by the workflow alone."""

    started_at: float = Field(description="seconds since 1970")
    program: str = Field(description="content hash of the program's text")
    state: str = Field(description="the machine's state, deflated, base64")
    host: str | None = None
    spool: str | None = None
    cancelled: bool = False
    attempts: dict[str, int] = Field(default_factory=dict, description="step -> attempt under way")
    runs: int = Field(1, description="how many workflow runs there were")


class ExecuteInput(Contract):
    """One run of one program. One of `deployment`, `config` and `program` says which."""

    execution: str | None = Field(None, description="UUID; derived from the workflow where it is not given")
    deployment: str | None = Field(None, description="id or name of a deployment")
    config: str | None = Field(None, description="id or name of a config")
    program: str | None = Field(None, description="the program's text")
    version: int | None = Field(None, ge=1, description="of the config; the newest where it is not given")
    inputs: dict[str, Any] = Field(default_factory=dict)
    failure_policy: FailurePolicy | None = None
    workspace: WorkspaceSeed | None = None
    triggered_by: str | None = None
    do: Literal["compensate", "retry"] | None = None
    carried: Carried | None = Field(None, description="set by the workflow itself when it continues as new")


class ExecuteResult(Contract):
    """How a run ended."""

    execution_id: str
    status: ExecutionStatus
    result: Any = None
    error: RunError | None = None
    undo_failed: tuple[dict[str, Any], ...] = ()
