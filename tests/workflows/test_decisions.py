"""Decisions of the workflows: functions of values, each with its table."""

from __future__ import annotations

from typing import Any

import pytest

from codeai.dsl.trace_entries import UndoBlock
from codeai.workflows.compensation import block_environment, is_wanted
from codeai.workflows.contracts.answers import said, undo_block
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.records import UndoableStep
from codeai.workflows.contracts.shell import CommandResult, Outcome
from codeai.workflows.contracts.steps import UndoEntry
from codeai.workflows.effects.shell import delay_before, may_try_again


@pytest.mark.parametrize(
    ("attempt", "backoff", "seconds"),
    [
        (2, 1.0, 1.0),
        (3, 1.0, 2.0),
        (4, 1.0, 4.0),
        (8, 1.0, 60.0),
        (200, 1.0, 60.0),
        (2, 90.0, 60.0),
        (9, 0.0, 0.0),
    ],
)
def test_the_wait_doubles_up_to_a_minute(attempt: int, backoff: float, seconds: float) -> None:
    assert delay_before(attempt, backoff) == seconds


@pytest.mark.parametrize(
    ("outcome", "attempt", "retry", "again"),
    [
        (Outcome.SUCCEEDED, 1, 3, False),
        (Outcome.FAILED, 1, 0, False),
        (Outcome.FAILED, 1, 1, True),
        (Outcome.FAILED, 2, 1, False),
        (Outcome.TIMEOUT, 3, 3, True),
        (Outcome.LOST, 1, 3, False),
        (Outcome.CANCELLED, 1, 3, False),
    ],
)
def test_only_a_failure_or_a_time_out_is_tried_again(
    outcome: Outcome, attempt: int, retry: int, again: bool
) -> None:
    assert may_try_again(CommandResult(outcome=outcome), attempt, retry) is again


def step(outcome: str, **entry: object) -> UndoableStep:
    return UndoableStep(
        seq=1, outcome=outcome, stdout="out", exit_code=0, entry=UndoEntry(line=3, text="true", **entry)
    )


@pytest.mark.parametrize(
    ("outcome", "when", "wanted"),
    [
        ("succeeded", "always", True),
        ("failed", "always", True),
        ("succeeded", "succeeded", True),
        ("failed", "succeeded", False),
        ("cancelled", "succeeded", False),
    ],
)
def test_when_says_which_commands_are_undone(outcome: str, when: str, wanted: bool) -> None:
    assert is_wanted(step(outcome, when=when)) is wanted


def test_a_block_sees_its_own_execs_result_and_never_an_older_value() -> None:
    entry = {"env": {"id": "old", "other": "x"}, "assigned": "id"}
    assert block_environment(step("succeeded", **entry)) == {
        "id": "out",
        "other": "x",
        "CODEAI_STEP_OUTCOME": "succeeded",
        "CODEAI_STEP_STDOUT": "out",
        "CODEAI_STEP_EXIT_CODE": "0",
    }
    assert "id" not in block_environment(step("timeout", **entry))


def test_what_its_exec_has_written_is_cut_to_what_an_environment_holds() -> None:
    long = step("succeeded", assigned="out").model_copy(update={"stdout": "\u20ac" * 80_000})
    env = block_environment(long)
    assert env["out"] == env["CODEAI_STEP_STDOUT"] == "\u20ac" * 21845  # 64 KiB, less a part of a character


def test_why_a_block_failed_is_one_line() -> None:
    failed = CommandResult(outcome=Outcome.FAILED, exit_code=7, stderr="first\nlast words\n")
    assert said(failed) == "exit code 7: last words"
    lost = CommandResult(outcome=Outcome.LOST, error=RunError(kind="lost", message="the host is gone"))
    assert said(lost) == "the host is gone"


RAN = {"seq": 7, "line": 3, "command": "rm it", "arguments": '{"undoes":2,"variables":{"x":"X"}}'}
CHILD = {"seq": 7, "line": 3, "command": "compensate", "arguments": '{"undoes":2,"execution":"c"}'}


@pytest.mark.parametrize(
    ("row", "status", "result", "told"),
    [
        (RAN, "running", None, {}),
        (
            RAN,
            "succeeded",
            '{"outcome":"succeeded","exit_code":0,"stdout":"o"}',
            {"exit_code": 0, "value": "o"},
        ),
        (
            RAN,
            "failed",
            '{"outcome":"failed","exit_code":4,"stderr":"a\\nno"}',
            {"exit_code": 4, "error": {"kind": "exec_failed", "message": "exit code 4: no"}},
        ),
        (
            RAN,
            "lost",
            '{"outcome":"lost","error":{"kind":"lost","message":"gone"}}',
            {"error": {"kind": "lost", "message": "gone"}},
        ),
        (
            RAN,
            "cancelled",
            None,
            {"error": {"kind": "cancelled", "message": "its run ended while it ran: step 7 is cancelled"}},
        ),
        (CHILD, "running", None, {}),
        (CHILD, "succeeded", '{"value":null}', {"value": None}),
        (
            CHILD,
            "failed",
            '{"error":{"kind":"failed","message":"no"}}',
            {"value": None, "error": {"kind": "failed", "message": "no", "line": None}},
        ),
    ],
)
def test_a_trace_tells_of_an_undo_block_what_its_row_has(
    row: dict[str, Any], status: str, result: str | None, told: dict[str, Any]
) -> None:
    given: dict[str, Any] = (
        {"name": "run", "arguments": {"execution": "c"}}
        if row is CHILD
        else {"text": "rm it", "variables": {"x": "X"}}
    )
    assert undo_block(**row, status=status, result=result) == UndoBlock(7, 2, 3, **given, **told)
