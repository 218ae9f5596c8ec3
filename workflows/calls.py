"""The activities that workflows call (★): name, models, time-outs and retries, all in one place.

Temporal's retries are for our own breakdowns (a worker gone, the database away) and never give up; a program's
`retry` is a loop of the workflow, because the program's failure is a value.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Generic, TypeVar

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityHandle

from codeai.workflows.contracts.base import Contract
from codeai.workflows.contracts.changes import ChangeInput, ChangeResult
from codeai.workflows.contracts.commands import Checked, CheckInput
from codeai.workflows.contracts.events import (
    EmitInput,
    EmitResult,
    EventRecord,
    EventStored,
    WaitInput,
    WaitOver,
    WaitResult,
)
from codeai.workflows.contracts.hosts import (
    Heard,
    HearInput,
    KillInput,
    KillResult,
    ProbeInput,
    ProbeResult,
    SpoolFound,
    SpoolWanted,
)
from codeai.workflows.contracts.http import HttpInput, HttpResult
from codeai.workflows.contracts.lanes import (
    LaneAnswer,
    ReleaseLane,
    TakeLane,
    Told,
    TurnFound,
    TurnInput,
    TurnsKnown,
    TurnsWanted,
    Whereabouts,
)
from codeai.workflows.contracts.queues import CONTROL, EXEC, WORKFLOWS, claims_on, exec_on
from codeai.workflows.contracts.reconciling import CommandsLeft, FindCommands, MakeRows, MendRows, PageDone
from codeai.workflows.contracts.records import (
    CheckpointFound,
    CheckpointInput,
    CheckpointWanted,
    ClaimInput,
    ClaimResult,
    CloseInput,
    LoadInput,
    LoadResult,
    NotesInput,
    Nothing,
    PatchInput,
    PatchResult,
    UndoEntriesInput,
    UndoEntriesResult,
)
from codeai.workflows.contracts.retention import (
    AgedDeleted,
    DeleteAged,
    HostsKnown,
    HostsWanted,
    RemoveWorkspaces,
    WorkspacesHeld,
    WorkspacesRemoved,
    WorkspacesWanted,
)
from codeai.workflows.contracts.shell import CommandInput, CommandResult
from codeai.workflows.settling import settled

Given = TypeVar("Given", bound=Contract)
Answer = TypeVar("Answer", bound=Contract)

UNTIL_IT_HOLDS = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=10),
)
AT_ONCE_AGAIN = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=1.5,
    maximum_interval=timedelta(seconds=1),
)

ONCE = RetryPolicy(maximum_attempts=1)

LOCAL_RETRIES = timedelta(seconds=1)
"""From this pause on a local activity waits by a timer of the workflow: until then it holds its workflow task, adds
an event to the history every few seconds, and its worker cannot stop."""

COMMAND_HEARTBEAT = timedelta(seconds=10)
PROBE = timedelta(seconds=15)
"""How long a host has to take what comes by its control queue, before it counts as silent."""


@dataclass(frozen=True, slots=True)
class Call(Generic[Given, Answer]):
    """One activity. `local` ones run in the workflow's worker without a trip over the server, before their workflow
    task is in the history: only what reads, or writes the same thing again, may be local, and it waits as long as
    what was decided may be decided otherwise when the task is lost (`settling.py`)."""

    name: str
    given: type[Given]
    answer: type[Answer]
    start_to_close: timedelta
    queue: str = WORKFLOWS
    retry: RetryPolicy = field(default_factory=lambda: UNTIL_IT_HOLDS)
    local: bool = False
    schedule_to_start: timedelta | None = None
    heartbeat: timedelta | None = None
    priority: Priority = Priority.default

    def on(self, queue: str, schedule_to_start: timedelta | None = None) -> Call[Given, Answer]:
        """The same call on that queue, which has so long to take it."""
        return replace(self, queue=queue, schedule_to_start=schedule_to_start or self.schedule_to_start)

    async def __call__(self, given: Given) -> Answer:
        answer: Answer
        if self.local:
            await settled()
            answer = await workflow.execute_local_activity(
                self.name,
                given,
                result_type=self.answer,
                start_to_close_timeout=self.start_to_close,
                retry_policy=self.retry,
                local_retry_threshold=LOCAL_RETRIES,
                cancellation_type=ActivityCancellationType.ABANDON,
            )
        else:
            answer = await self.start(given)
        return answer

    def start(self, given: Given) -> ActivityHandle[Answer]:
        """One that is not local; its caller may go on."""
        return workflow.start_activity(
            self.name,
            given,
            result_type=self.answer,
            task_queue=self.queue,
            schedule_to_start_timeout=self.schedule_to_start,
            start_to_close_timeout=self.start_to_close,
            heartbeat_timeout=self.heartbeat,
            retry_policy=self.retry,
            cancellation_type=ActivityCancellationType.ABANDON,
            priority=self.priority,
        )


LOAD_PROGRAM = Call("load_program", LoadInput, LoadResult, timedelta(seconds=60), local=True)
PATCH_PROGRAM = Call("patch_program", PatchInput, PatchResult, timedelta(seconds=60), local=True)
CLAIM_HOST = Call("claim_host", ClaimInput, ClaimResult, timedelta(seconds=5), EXEC, AT_ONCE_AGAIN)
TAKE_LANE = Call("take_lane", TakeLane, LaneAnswer, timedelta(seconds=5), retry=AT_ONCE_AGAIN)
RELEASE_LANE = Call("release_lane", ReleaseLane, Nothing, timedelta(seconds=5), local=True)
GRANT_TURN = Call("grant_turn", TurnInput, Told, timedelta(seconds=5), retry=AT_ONCE_AGAIN)
CANCEL_TURN = Call("cancel_turn", TurnInput, Told, timedelta(seconds=5), retry=AT_ONCE_AGAIN)
FIND_TURNS = Call("find_turns", TurnsWanted, TurnsKnown, timedelta(seconds=10), local=True)
LOOK_AT_TURN = Call("look_at_turn", TurnInput, TurnFound, timedelta(seconds=10), local=True)
CHECK_DECISION = Call("check_decision", CheckInput, Checked, timedelta(seconds=5), local=True)
WRITE_NOTES = Call("write_notes", NotesInput, Nothing, timedelta(seconds=10), local=True)
SAVE_CHECKPOINT = Call("save_checkpoint", CheckpointInput, Nothing, timedelta(seconds=10), local=True)
FIND_CHECKPOINT = Call("find_checkpoint", CheckpointWanted, CheckpointFound, timedelta(seconds=10))
EMIT_EVENT = Call("emit_event", EmitInput, EmitResult, timedelta(seconds=10))
AWAIT_EVENT = Call("await_event", WaitInput, WaitResult, timedelta(seconds=10))
END_WAIT = Call("end_wait", WaitOver, Nothing, timedelta(seconds=10), local=True)
STORE_EVENT = Call("store_event", EventRecord, EventStored, timedelta(seconds=10))
TELL_WAITS = Call("tell_waits", EventStored, Nothing, timedelta(seconds=10))
CLOSE_EXECUTION = Call("close_execution", CloseInput, Nothing, timedelta(seconds=10), local=True)
MEND_ROWS = Call("mend_rows", MendRows, PageDone, timedelta(minutes=2))
MAKE_ROWS = Call("make_rows", MakeRows, PageDone, timedelta(minutes=2))
FIND_COMMANDS = Call("find_commands", FindCommands, CommandsLeft, timedelta(seconds=30))
END_STEPS = Call("end_steps", Whereabouts, Nothing, timedelta(seconds=10), local=True)
UNDO_ENTRIES = Call("undo_entries", UndoEntriesInput, UndoEntriesResult, timedelta(seconds=10))
PROBE_HOST = Call(
    "probe_host", ProbeInput, ProbeResult, timedelta(seconds=5), f"{CONTROL}@", ONCE, schedule_to_start=PROBE
)
HEAR_CANCEL = Call(
    "hear_cancel",
    HearInput,
    Heard,
    timedelta(seconds=5),
    f"{CONTROL}@",
    ONCE,
    schedule_to_start=COMMAND_HEARTBEAT,  # by then it has been heard anyway
)
KILL_COMMANDS = Call(
    "kill_commands",
    KillInput,
    KillResult,
    timedelta(minutes=10),
    f"{CONTROL}@",
    AT_ONCE_AGAIN,
    schedule_to_start=PROBE,
    heartbeat=COMMAND_HEARTBEAT,
)
READ_SPOOL = Call(
    "read_spool",
    SpoolWanted,
    SpoolFound,
    timedelta(seconds=10),
    f"{CONTROL}@",
    AT_ONCE_AGAIN,
    schedule_to_start=PROBE,
)
APPLY_CHANGE = Call("apply_change", ChangeInput, ChangeResult, timedelta(seconds=30))
DELETE_AGED = Call("delete_aged", DeleteAged, AgedDeleted, timedelta(minutes=2))
LIST_HOSTS = Call("list_hosts", HostsWanted, HostsKnown, timedelta(seconds=10))
FIND_AGED_RUNS = Call("find_aged_runs", WorkspacesHeld, WorkspacesHeld, timedelta(seconds=30))
HOLD_WORKSPACES = Call(
    "hold_workspaces",
    WorkspacesWanted,
    WorkspacesHeld,
    timedelta(seconds=30),
    f"{CONTROL}@",
    AT_ONCE_AGAIN,
    schedule_to_start=PROBE,
)
REMOVE_WORKSPACES = Call(
    "remove_workspaces",
    RemoveWorkspaces,
    WorkspacesRemoved,
    timedelta(hours=1),
    f"{CONTROL}@",
    AT_ONCE_AGAIN,
    schedule_to_start=PROBE,
    heartbeat=COMMAND_HEARTBEAT,
)

CALLS: tuple[Call[Contract, Contract], ...] = (
    LOAD_PROGRAM,
    PATCH_PROGRAM,
    CLAIM_HOST,
    TAKE_LANE,
    RELEASE_LANE,
    GRANT_TURN,
    CANCEL_TURN,
    FIND_TURNS,
    LOOK_AT_TURN,
    CHECK_DECISION,
    WRITE_NOTES,
    SAVE_CHECKPOINT,
    FIND_CHECKPOINT,
    EMIT_EVENT,
    AWAIT_EVENT,
    END_WAIT,
    STORE_EVENT,
    TELL_WAITS,
    CLOSE_EXECUTION,
    MEND_ROWS,
    MAKE_ROWS,
    FIND_COMMANDS,
    END_STEPS,
    UNDO_ENTRIES,
    PROBE_HOST,
    HEAR_CANCEL,
    KILL_COMMANDS,
    READ_SPOOL,
    APPLY_CHANGE,
    DELETE_AGED,
    LIST_HOSTS,
    FIND_AGED_RUNS,
    HOLD_WORKSPACES,
    REMOVE_WORKSPACES,
)  # type: ignore[assignment]

LONGEST_KEY = 64
"""Bytes of a fairness key (Temporal's docs, "Task Queue Priority and Fairness")."""


def claim_host(given: ClaimInput, label: str | None = None) -> Awaitable[ClaimResult]:
    """Which host takes the run. Those who wait for one are taken in turns by deployment, or where there is none, by who
    started them: a hundred runs of one hold up no other."""
    run = given.execution
    key = (run.deployment_id or run.triggered_by or "").encode()[:LONGEST_KEY].decode(errors="ignore")
    call = replace(CLAIM_HOST, queue=claims_on(label), priority=Priority(fairness_key=key))
    return call(given)


COMMAND = "run_command"
COMMAND_MARGIN = timedelta(seconds=60)
FOREVER = timedelta(days=3650)


def start_command(
    given: CommandInput, host: str, picked_up_within: timedelta
) -> ActivityHandle[CommandResult]:
    """One attempt of a shell step, on its host (RUNNER.md): repeated without limit, because a repeat attends and
    never starts a second time; but a host that does not pick it up in time has to be probed. Cancelling waits until
    the command is dead, where its host has it."""
    limit = timedelta(seconds=given.timeout + given.grace) + COMMAND_MARGIN
    return workflow.start_activity(
        COMMAND,
        given,
        result_type=CommandResult,
        activity_id=f"{given.seq}/{given.attempt}",
        task_queue=exec_on(host),
        schedule_to_start_timeout=picked_up_within,
        start_to_close_timeout=min(limit, FOREVER),
        heartbeat_timeout=COMMAND_HEARTBEAT,
        retry_policy=AT_ONCE_AGAIN,
        cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    )


HTTP_REQUEST = "http_request"
HTTP_MARGIN = timedelta(hours=1)
"""For a database that is away: an answer that cannot be written yet is not to be lost. A dead worker is found out by
its heartbeat."""


def send_http(given: HttpInput) -> ActivityHandle[HttpResult]:
    """One request of a program with all its attempts. Cancelling lets go of it."""
    attempts = 1 + (2 if given.retry is None else given.retry)
    seconds = min((given.timeout + 60) * attempts, FOREVER.total_seconds())
    return workflow.start_activity(
        HTTP_REQUEST,
        given,
        result_type=HttpResult,
        activity_id=f"{given.step.seq}/http",  # a bare number is what the SDK names others
        task_queue=WORKFLOWS,
        start_to_close_timeout=timedelta(seconds=seconds) + HTTP_MARGIN,
        heartbeat_timeout=COMMAND_HEARTBEAT,
        retry_policy=UNTIL_IT_HOLDS,
        cancellation_type=ActivityCancellationType.TRY_CANCEL,
    )
