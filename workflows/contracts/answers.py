"""What a program gets for what came back: the machine's answer, made of a recorded result alone."""

from __future__ import annotations

import json

from codeai.dsl.journal import result_from_plain
from codeai.dsl.requests import EffectResult
from codeai.dsl.values import ErrorValue, ExecValue
from codeai.workflows.contracts.shell import CommandResult, Outcome


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
