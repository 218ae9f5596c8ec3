"""Running the undo stack: block by block, last first; a block that fails is recorded and the rest still run."""

from __future__ import annotations

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, ChildWorkflowError

from codeai.dsl.brief import brief
from codeai.dsl.environment import for_shell
from codeai.dsl.faults import Fault
from codeai.workflows import calls
from codeai.workflows.contracts.answers import said
from codeai.workflows.contracts.errors import NOTHING_LEFT
from codeai.workflows.contracts.executions import Undoing
from codeai.workflows.contracts.records import UndoableStep, UndoEntriesInput
from codeai.workflows.contracts.shell import CommandResult, Outcome
from codeai.workflows.contracts.steps import StepBegun
from codeai.workflows.effects import children, shell
from codeai.workflows.effects.under_way import Effects
from codeai.workflows.states import step_id

MOST_FAILED, MOST_PROBLEM = 500, 500
"""Undo blocks that a run's outcome tells of, and characters of each: there may be 20,000, and Temporal takes no outcome
of over 2 MiB."""
KNOWN_RESULT = ("succeeded", "failed")
"""Outcomes whose result the undo block may see under its variable's name."""


async def undo_next(effects: Effects, undoing: Undoing) -> Undoing:
    """Runs the block of the last step of the stack and answers what is left to do."""
    step, rest = undoing.steps[-1], undoing.steps[:-1]
    found = await calls.UNDO_ENTRIES(UndoEntriesInput(execution_id=effects.run.record.id, steps=(step,)))
    wanted = [one for one in found.steps if is_wanted(one)]
    failed, unsaid = undoing.failed, undoing.unsaid
    for one in wanted:
        problem = await _undo(effects, one, undoing.next_seq)
        if problem is not None:
            if len(failed) < MOST_FAILED:
                failed = (*failed, {"line": one.entry.line, "message": brief(problem, MOST_PROBLEM)})
            else:
                unsaid += 1
    done = {"steps": rest, "next_seq": undoing.next_seq + len(wanted), "failed": failed, "unsaid": unsaid}
    return undoing.model_copy(update=done)


def undo_failed(undoing: Undoing) -> tuple[dict[str, Any], ...]:
    """What a run's outcome says of its undo blocks that failed."""
    if not undoing.unsaid:
        return undoing.failed
    more = f"and {undoing.unsaid} undo blocks more; their steps say why"
    return (*undoing.failed, {"line": undoing.failed[-1]["line"], "message": more})


def is_wanted(step: UndoableStep) -> bool:
    """`undo(when: "succeeded")` leaves out commands that did not succeed."""
    return step.entry.when == "always" or step.outcome == Outcome.SUCCEEDED


def block_environment(step: UndoableStep) -> dict[str, str]:
    """What a block sees: its variables as they were, its own exec's result, and how that ended."""
    entry, stdout = step.entry, for_shell(step.stdout)
    env = dict(entry.env)
    if entry.assigned is not None:
        env.pop(entry.assigned, None)
        if step.outcome in KNOWN_RESULT:
            env[entry.assigned] = stdout
    env["CODEAI_STEP_OUTCOME"] = step.outcome
    env["CODEAI_STEP_STDOUT"] = stdout
    if step.exit_code is not None:
        env["CODEAI_STEP_EXIT_CODE"] = str(step.exit_code)
    return env


async def _undo(effects: Effects, step: UndoableStep, seq: int) -> str | None:
    """Undoes one step as the step `seq`; why it failed, if it did."""
    if step.entry.child is not None:
        return await _compensate(effects, step.entry.child, step, seq)
    try:
        result = await _run_block(effects, step, seq)
    except Fault as fault:
        return fault.message
    return None if result.outcome is Outcome.SUCCEEDED else said(result)


async def _compensate(effects: Effects, child: str, step: UndoableStep, seq: int) -> str | None:
    """Compensates a completed child; one that has nothing to undo is undone."""
    id = step_id(effects.run.record.id, str(seq))
    begun = StepBegun(
        step_id=id,
        seq=seq,
        kind="undo",
        line=step.entry.line,
        command="compensate",
        arguments={"undoes": step.seq, "execution": child},
        started_at=workflow.time(),
    )
    effects.notes.begin(begun)
    problem = None
    try:
        done = await children.compensate(child)
        if done.undo_failed:
            problem = f"{len(done.undo_failed)} undo blocks of run {child} failed"
    except ChildWorkflowError as error:
        problem = not_compensated(error, child)
    answer = {"value": None} if problem is None else {"error": {"kind": "failed", "message": problem}}
    effects.notes.end(id, "succeeded" if problem is None else "failed", answer)
    return problem


def not_compensated(error: ChildWorkflowError, child: str) -> str | None:
    """Why a child is not undone; None where it had nothing to undo. What one did whose state is not kept any more is to
    be taken back by hand."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.message == NOTHING_LEFT:
        return None
    return f"run {child}: {getattr(cause, 'message', None) or cause}"


async def _run_block(effects: Effects, step: UndoableStep, seq: int) -> CommandResult:
    entry = step.entry
    options: dict[str, Any] = {
        "env": block_environment(step),
        "secrets": entry.secrets,
        "secret_files": {},
        "unset": entry.unset,
        "cwd": entry.cwd,
        "timeout": entry.timeout,
        "kind": "undo",
        "undoes": step.seq,
    }
    given = await shell.command_input(effects, seq, entry.line, entry.text, **options)
    return await shell.command(effects, given, shell.Trying(entry.queue or "", entry.retry, entry.backoff))
