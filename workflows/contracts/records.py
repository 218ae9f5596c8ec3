"""What the bookkeeping activities of a run are given: each can be written again with the same outcome."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from codeai.workflows.contracts.base import Contract, Exchanged
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.events import EventRecord
from codeai.workflows.contracts.executions import Budget, ExecutionRecord, ExecutionStatus, FailurePolicy
from codeai.workflows.contracts.lanes import Concurrency
from codeai.workflows.contracts.shell import WorkspaceSeed
from codeai.workflows.contracts.steps import NO_NOTES, Notes, UndoEntry


class LoadInput(Contract):
    """Which program: a text, a hash that was answered before, a config or a deployment."""

    program: str | None = None
    program_hash: str | None = None
    config: str | None = None
    deployment: str | None = None
    version: int | None = None


class LoadResult(Contract):
    """The compiled program and what its config and deployment say of the run; or `error`."""

    program_hash: str = ""
    code: str = Field("", description="the compiled form: deflated, base64; at most 1 MiB")
    config_id: str | None = None
    deployment_id: str | None = None
    version: int | None = None
    inputs: dict[str, Any] = Field(default_factory=dict, description="the deployment's own inputs")
    failure_policy: FailurePolicy = FailurePolicy.UNDO
    park_timeout: float | None = None
    workspace: WorkspaceSeed | None = None
    lane: str | None = Field(None, description="the concurrency key; none where runs may go on beside it")
    concurrency: Concurrency = Concurrency.PARALLEL
    error: RunError | None = None


class PatchInput(Contract):
    """An edited program for a run: by the hash of its own, and where it stands in it (`dsl/patched.py`)."""

    before: str
    program: str
    standing: dict[str, Any]


class PatchResult(Contract):
    """The edited program, compiled as in `LoadResult`, and where the run stands in it; or `error`."""

    program_hash: str = ""
    code: str = ""
    moved: dict[str, Any] = Field(default_factory=dict)
    error: RunError | None = None


class ClaimInput(Exchanged):
    """Asks for a host; whoever answers writes the run's first row as well."""

    execution: ExecutionRecord
    is_first: bool = Field(
        True, description="false: the run has its row, and only asks where more of it goes"
    )
    lost: tuple[str, ...] = Field((), description="hosts that the run has found lost: they do not take it")


class ClaimResult(Exchanged):
    """The host that takes the run, its spool, when it is given up, and the worker's budget for one workflow run."""

    host: str
    spool: str
    lost_after: float | None = None
    budget: Budget = Budget()


class NotesInput(Contract):
    """What a run has to tell, where no other record takes it along. Its events are stored with the notes, and told
    afterwards."""

    execution_id: str
    notes: Notes
    events: tuple[EventRecord, ...] = ()


class Checkpoint(Contract):
    """What is kept of a run at the end of one of its workflow runs: enough to go on from, and all that the machine
    was answered since the checkpoint before (see `dsl/journal.py`)."""

    run: int
    carried: str = Field(description="`Carried` as JSON, deflated, base64")
    journal: str = Field(description="the journal's rounds as JSON, deflated, base64")


class CheckpointInput(Contract):
    """Keeps a checkpoint before a run continues as new."""

    execution_id: str
    checkpoint: Checkpoint
    notes: Notes = NO_NOTES


class CheckpointWanted(Contract):
    """Asks for the newest checkpoint of an ended run."""

    execution_id: str


MOST_CARRIED = 1_900_000
"""Bytes of a checkpoint that an activity can answer: Temporal takes no result of over 2 MiB."""


class CheckpointFound(Contract):
    """The newest checkpoint (`carried` as in `Checkpoint`) and how the run had ended; empty where there is none."""

    carried: str | None = None
    is_too_large: bool = Field(False, description="there is one, which has over MOST_CARRIED bytes")
    status: str | None = None
    interrupted: tuple[int, ...] = Field((), description="steps of undo blocks that were killed or lost")
    attempts: dict[int, int] = Field(
        default_factory=dict, description="step -> its last attempt, of commands that were killed or lost"
    )
    last_begun: int = Field(0, description="the last step that has begun, undo blocks aside")


class CloseInput(Contract):
    """A run has ended: its row (made here if it never was), its last notes, its outcome, its state."""

    execution: ExecutionRecord
    status: ExecutionStatus
    status_text: str | None = None
    result: Any = None
    error: RunError | None = None
    undo_failed: tuple[dict[str, Any], ...] = ()
    notes: Notes = NO_NOTES
    checkpoint: Checkpoint | None = None
    completed_at: float


class UndoEntriesInput(Contract):
    """Which steps' undo blocks are wanted, last first."""

    execution_id: str
    steps: tuple[int, ...]


class UndoableStep(Contract):
    """One entry of the undo stack as it stands in the step's record."""

    seq: int
    outcome: str
    stdout: str = ""
    exit_code: int | None = None
    entry: UndoEntry


class UndoEntriesResult(Contract):
    steps: tuple[UndoableStep, ...]


class Nothing(Contract):
    """The answer of a record activity: it holds."""
