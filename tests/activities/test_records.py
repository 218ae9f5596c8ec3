"""The bookkeeping of runs: written again and again, the rows are the same, and no status goes back."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import sentinel

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from codeai.activities.checkpoints import CheckpointRecords
from codeai.activities.claims import Claims
from codeai.activities.records import Records
from codeai.activities.shell.record import Chunk
from codeai.activities.step_records import StepRecords
from codeai.persistence.engine import Database
from codeai.persistence.events import Events
from codeai.persistence.executions import Execution, Executions
from codeai.persistence.logs import LogLine as Kept
from codeai.persistence.logs import Logs, NoSuchExecution
from codeai.persistence.pages import Page
from codeai.persistence.steps import Step, Steps
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.executions import Budget, ExecutionRecord, ExecutionStatus
from codeai.workflows.contracts.records import (
    MOST_CARRIED,
    Checkpoint,
    CheckpointInput,
    CheckpointWanted,
    ClaimInput,
    CloseInput,
    NotesInput,
    UndoEntriesInput,
)
from codeai.workflows.contracts.shell import CommandInput, CommandResult, Outcome
from codeai.workflows.contracts.steps import LogLine, Notes, SecretText, UndoEntry
from codeai.workflows.states import step_id

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
RUN = ExecutionRecord(
    id=str(uuid.UUID(int=7)),
    workflow_id="by hand",
    inputs={"rate": 2.0},
    triggered_by="ann",
    started_at=AT.timestamp(),
)
LINES = (
    LogLine(step_id=step_id(RUN.id, "1"), level="info", text="began", time=AT.timestamp()),
    LogLine(step_id=step_id(RUN.id, "2"), level="warn", text="slow", time=AT.timestamp()),
)
UNDO = UndoEntry(line=3, text="rm made", env={"n": "1"})


@pytest.fixture
def records(database: Database) -> Records:
    return Records(database)


@pytest.fixture
async def claimed(database: Database) -> None:
    await claim(database)


async def claim(database: Database, host: str = "host") -> Any:
    claims = Claims(database, host, "spool", Budget(soft_events=5), sentinel.slots, None)
    return await ActivityEnvironment().run(claims.claim_host, ClaimInput(execution=RUN))


def notes(**more: Any) -> NotesInput:
    return NotesInput(execution_id=RUN.id, notes=Notes(**more))


async def twice(activity: Any, given: Any) -> None:
    for _ in range(2):
        await ActivityEnvironment().run(activity, given)


async def row(database: Database) -> Execution:
    async with database.session() as rows:
        found = await Executions(rows).get(RUN.id)
    assert found is not None
    return found


async def log(database: Database) -> list[Kept]:
    async with database.session() as rows:
        return await Logs(rows).after(RUN.id)


async def steps(database: Database) -> list[Step]:
    async with database.session() as rows:
        return list((await Steps(rows).of(RUN.id, Page())).items)


def closing(status: ExecutionStatus, **more: Any) -> CloseInput:
    return CloseInput(
        execution=RUN, status=status, completed_at=(AT + timedelta(seconds=9)).timestamp(), **more
    )


def command(attempt: int = 1, seq: int = 3, **more: Any) -> CommandInput:
    return CommandInput(
        execution_id=RUN.id,
        workflow_id=RUN.workflow_id,
        step_id=step_id(RUN.id, str(seq)),
        seq=seq,
        line=2,
        attempt=attempt,
        spool="spool",
        text="touch made",
        **more,
    )


async def test_who_claims_a_run_writes_its_row_and_the_first_host_stays(database: Database) -> None:
    claimed = await claim(database)
    assert (claimed.host, claimed.spool, claimed.budget) == (
        "host",
        "spool",
        Budget(soft_events=5),
    )
    first = await row(database)
    assert (first.status, first.host, first.inputs, first.started_at) == (
        "running",
        "host",
        '{"rate":2.0}',
        AT,
    )
    await claim(database, "another")
    assert await row(database) == first


@pytest.mark.usefixtures("claimed")
async def test_a_status_never_goes_back(records: Records, database: Database) -> None:
    async def record(status: ExecutionStatus, text: str | None = None) -> None:
        given = notes(status=status.value, status_text=text)
        await ActivityEnvironment().run(records.write_notes, given)

    await record(ExecutionStatus.UNDOING, "undoing")
    await record(ExecutionStatus.RUNNING, "late")
    assert ((await row(database)).status, (await row(database)).status_text) == ("undoing", "undoing")
    await ActivityEnvironment().run(records.close_execution, closing(ExecutionStatus.CANCELLED))
    await record(ExecutionStatus.UNDOING, "late")
    assert ((await row(database)).status, (await row(database)).status_text) == ("cancelled", None)


@pytest.mark.usefixtures("claimed")
async def test_a_run_ends_once(records: Records, database: Database) -> None:
    error = RunError(kind="exec_failed", message="no", line=4, exit_code=2)
    failed = closing(
        ExecutionStatus.FAILED,
        error=error,
        undo_failed=({"line": 3, "message": "why"},),
        notes=Notes(lines=LINES),
    )
    await twice(records.close_execution, failed)
    ended = await row(database)
    assert (ended.status, ended.result, ended.host) == ("failed", "null", "host")
    assert json.loads(ended.error or "") == {
        "kind": "exec_failed",
        "message": "no",
        "line": 4,
        "exit_code": 2,
    }
    assert ended.undo_failed == '[{"line":3,"message":"why"}]'
    assert ended.completed_at == AT + timedelta(seconds=9)
    await ActivityEnvironment().run(records.close_execution, closing(ExecutionStatus.COMPLETE, result=1))
    assert await row(database) == ended
    assert [line.text for line in await log(database)] == ["began\n", "warn: slow\n"]


async def test_a_run_that_nobody_claimed_has_a_row_at_its_end(records: Records, database: Database) -> None:
    await twice(records.close_execution, closing(ExecutionStatus.COMPLETE, result={"b": 2.0, "a": [None]}))
    ended = await row(database)
    assert (ended.status, ended.result, ended.error, ended.host) == (
        "complete",
        '{"b":2.0,"a":[null]}',
        None,
        None,
    )


@pytest.mark.usefixtures("claimed")
async def test_a_log_line_stands_once(records: Records, database: Database) -> None:
    await twice(records.write_notes, notes(lines=LINES[:1]))
    await twice(records.write_notes, notes(lines=LINES))
    assert [(line.stream, line.text) for line in await log(database)] == [
        ("log", "began\n"),
        ("log", "warn: slow\n"),
    ]


async def test_a_log_without_a_run_is_tried_again_later(records: Records) -> None:
    with pytest.raises(NoSuchExecution):
        await ActivityEnvironment().run(records.write_notes, notes(lines=LINES))


@pytest.mark.usefixtures("claimed")
async def test_a_step_is_one_row_with_its_newest_attempt(database: Database) -> None:
    kept = StepRecords(database)
    for _ in range(2):
        await kept.started(command(notes=Notes(lines=LINES), undo=UNDO), "host", AT)
    (step,) = await steps(database)
    assert (step.status, step.attempt, step.command, step.host) == ("running", 1, "touch made", "host")
    assert UndoEntry.model_validate_json(step.undo or "") == UNDO
    assert len(await log(database)) == 2

    failed = CommandResult(outcome=Outcome.FAILED, exit_code=1, stderr="no\n")
    for _ in range(2):
        await kept.ended(command(), failed, AT)
    await kept.started(command(), "host", AT)  # told late: changes nothing
    (step,) = await steps(database)
    assert (step.status, step.exit_code, step.stderr) == ("failed", 1, "no\n")

    await kept.started(command(2, undo=UNDO), "host", AT)
    await kept.ended(command(1), CommandResult(outcome=Outcome.LOST), AT)  # an older attempt's end
    (step,) = await steps(database)
    assert (step.attempt, step.status, step.stderr, step.completed_at) == (2, "running", None, None)
    assert (await kept.ending(command(1)), await kept.ending(command(2))) == (None, None)
    await kept.ended(command(2), CommandResult(outcome=Outcome.SUCCEEDED, exit_code=0, stdout="ok"), AT)
    await kept.ended(command(2), CommandResult(outcome=Outcome.LOST), AT)
    (step,) = await steps(database)
    assert (step.attempt, step.status, step.stdout) == (2, "succeeded", "ok")
    ending = await kept.ending(command(2))
    assert ending is not None and ending.stdout == "ok"


@pytest.mark.usefixtures("claimed")
async def test_a_piece_of_output_stands_once(database: Database) -> None:
    id = step_id(RUN.id, "3")
    pieces = [
        Chunk(id, 1, 0, "stdout", AT, "one\n"),
        Chunk(id, 1, 4, "stderr", AT, "two\n"),
        Chunk(id, 2, 0, "stdout", AT, "one again\n"),
    ]
    kept = StepRecords(database)
    await kept.output(RUN.id, pieces[:2])
    await kept.output(RUN.id, pieces)
    assert [(line.attempt, line.stream, line.text) for line in await log(database)] == [
        (1, "stdout", "one\n"),
        (1, "stderr", "two\n"),
        (2, "stdout", "one again\n"),
    ]


async def test_output_of_a_run_that_is_kept_no_longer_holds_nobody_up(database: Database) -> None:
    await StepRecords(database).output(RUN.id, [Chunk(step_id(RUN.id, "3"), 1, 0, "stdout", AT, "late\n")])
    assert await log(database) == []


@pytest.mark.usefixtures("claimed")
async def test_undo_entries_are_read_as_they_were_written_with_their_outcomes(
    records: Records, database: Database
) -> None:
    kept = StepRecords(database)
    await kept.started(command(seq=1, undo=UNDO), "host", AT)
    await kept.ended(command(seq=1), CommandResult(outcome=Outcome.SUCCEEDED, exit_code=0, stdout="id"), AT)
    await kept.started(command(seq=2), "host", AT)
    await kept.started(command(seq=3, undo=UNDO), "host", AT)
    asked = UndoEntriesInput(execution_id=RUN.id, steps=(1, 2, 3, 4))
    found = await ActivityEnvironment().run(records.undo_entries, asked)
    assert [(one.seq, one.outcome, one.stdout, one.exit_code, one.entry) for one in found.steps] == [
        (1, "succeeded", "id", 0, UNDO),
        (3, "running", "", None, UNDO),
    ]


@pytest.mark.usefixtures("claimed")
async def test_the_row_of_an_undo_block_has_its_variables_and_no_secret(database: Database) -> None:
    env = {"name": "api", "long": "x" * 5000, "CODEAI_STEP_OUTCOME": "failed", "CODEAI_STEP_STDOUT": "out"}
    secrets = {"token": SecretText.model_validate({"parts": [["secret", "npm"]]})}
    kept = StepRecords(database)
    await kept.started(command(seq=1), "host", AT)
    await kept.started(command(seq=2, kind="undo", undoes=1, env=env, secrets=secrets), "host", AT)
    ran, undone = await steps(database)
    assert ran.arguments is None
    seen = json.loads(undone.arguments or "")
    given = seen["variables"]
    assert seen["undoes"] == 1
    assert given.keys() == {"name", "long", "token"}
    assert (given["name"], given["token"]) == ("api", "***") and len(given["long"]) < 1100


async def published(database: Database) -> list[tuple[str, str, str | None]]:
    async with database.session() as rows:
        found = await Events(rows).page(Page(100))
    return sorted(
        (event.type, json.loads(event.data)["status"], json.loads(event.about)["causation_id"])
        for event in found.items
    )


@pytest.mark.parametrize(
    ("status", "types"),
    [
        (ExecutionStatus.COMPLETE, ["execution.completed", "workflow.completed"]),
        (ExecutionStatus.FAILED, ["execution.failed", "workflow.failed"]),
        (ExecutionStatus.CANCELLED, ["execution.cancelled"]),
        (ExecutionStatus.REJECTED, ["execution.rejected"]),
    ],
)
async def test_a_run_is_told_of_once_when_it_begins_and_when_it_ends(
    database: Database, records: Records, status: ExecutionStatus, types: list[str]
) -> None:
    began = [("execution.started", "running", None), ("workflow.started", "running", None)]
    for _ in range(2):
        await claim(database)
    assert await published(database) == began
    await twice(records.close_execution, closing(status))
    assert await published(database) == sorted(began + [(type, status.value, None) for type in types])


async def test_a_run_that_was_deleted_is_not_taken_up_again(records: Records) -> None:
    """Without its row its log could never be written, and it would stand still."""
    given = NotesInput(
        execution_id=str(uuid.uuid4()), notes=Notes(lines=LINES, status="queued", reopens=True)
    )
    with pytest.raises(ApplicationError) as refusal:
        await ActivityEnvironment().run(records.write_notes, given)
    assert (refusal.value.type, refusal.value.non_retryable) == ("not_found", True)


@pytest.mark.parametrize("over", [0, 1])
async def test_a_state_that_no_answer_can_hold_is_said_to_be_too_large(
    claimed: None, database: Database, over: int
) -> None:
    """Temporal would not take it, and the run that asks would not know why."""
    checkpoints, text = CheckpointRecords(database), "x" * (MOST_CARRIED + over)
    kept = CheckpointInput(execution_id=RUN.id, checkpoint=Checkpoint(run=1, carried=text, journal=""))
    await ActivityEnvironment().run(checkpoints.save_checkpoint, kept)
    wanted = CheckpointWanted(execution_id=RUN.id)
    found = await ActivityEnvironment().run(checkpoints.find_checkpoint, wanted)
    assert (found.carried, found.is_too_large) == ((None, True) if over else (text, False))
