"""What came back of a step, made of its recorded result alone: the machine's answer, what a trace tells of it."""

from __future__ import annotations

import json
from dataclasses import replace

from codeai.dsl.brief import brief
from codeai.dsl.journal import result_from_plain
from codeai.dsl.requests import EffectResult
from codeai.dsl.trace_entries import UndoBlock
from codeai.dsl.values import ErrorValue, ExecValue
from codeai.workflows.contracts.shell import CommandResult, Outcome

MOST_SAID = 200
"""Characters of the last line that a command wrote, as in the error of an `exec`."""


def answer_in_row(kind: str, line: int, result: str) -> EffectResult:
    """What the program got of a step, by the step's row; `result` is JSON.

    Raises:
        ValueError: it is no result of such a step.
    """
    if kind == "exec":
        return exec_answer(CommandResult.model_validate_json(result), line)
    return result_from_plain(json.loads(result))


def exec_answer(result: CommandResult, line: int) -> EffectResult:
    """What the program gets of a command: a result where it ended by itself, else an error."""
    if result.error is not None:
        return EffectResult(
            error=ErrorValue(result.error.kind, result.error.message, line, result.exit_code, result.stderr),
            undoable=result.started,
        )
    if result.outcome is Outcome.CANCELLED:
        error = ErrorValue("cancelled", "the command was cancelled", line)
        return EffectResult(error=error, undoable=result.started)
    return EffectResult(
        ExecValue(
            stdout=result.stdout,
            stderr=result.stderr,
            exit_code=result.exit_code or 0,
            duration=result.duration,
            attempt=result.attempt,
            truncated=result.truncated,
        )
    )


def said(result: CommandResult) -> str:
    """Why a command failed, in one line."""
    if result.error is not None:
        return result.error.message
    last = result.stderr.strip().splitlines()[-1:] or [""]
    return f"exit code {result.exit_code}" + (f": {last[0][:MOST_SAID]}" if last[0] else "")


def undo_block(
    *, seq: int, line: int, status: str, command: str, arguments: str | None, result: str | None
) -> UndoBlock:
    """An undo block that has begun, by its step's row; `arguments` and `result` are JSON.

    Raises:
        ValueError: it is no result of such a step.
    """
    given = json.loads(arguments or "{}")
    undoes = given.get("undoes", 0)
    block = UndoBlock(seq, undoes, line, text=brief(command), variables=given.get("variables") or None)
    if "execution" in given:
        block = UndoBlock(seq, undoes, line, "run", arguments={"execution": given["execution"]})
    if result is None:
        ended = {"kind": status, "message": f"its run ended while it ran: step {seq} is {status}"}
        return block if status == "running" else replace(block, error=ended)
    if block.name == "run":
        error = result_from_plain(json.loads(result)).error
        return replace(block, value=None, error=None if error is None else brief(error))
    done = CommandResult.model_validate_json(result)
    block = replace(block, exit_code=done.exit_code)
    if done.outcome is Outcome.SUCCEEDED:
        return replace(block, value=brief(done.stdout))
    kind = "exec_failed" if done.error is None else done.error.kind
    return replace(block, error={"kind": kind, "message": said(done)})
