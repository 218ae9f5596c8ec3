"""Shell steps, of the program and of its undo: each attempt is an activity on the run's host."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from temporalio.exceptions import ActivityError, CancelledError

from codeai.dsl.environment import environment, undo_environment
from codeai.dsl.requests import EffectResult, Request
from codeai.dsl.values import ErrorValue, SecretHandle
from codeai.workflows import calls
from codeai.workflows.contracts.answers import exec_answer
from codeai.workflows.contracts.shell import CommandInput, CommandResult, Outcome
from codeai.workflows.contracts.steps import SecretText, UndoEntry
from codeai.workflows.effects.under_way import Effects, Given
from codeai.workflows.states import step_id

MOST_BACKOFF = 60.0


def delay_before(attempt: int, backoff: float) -> float:
    """Seconds to wait before `attempt` (from 2): `backoff`, doubled each time, at most a minute."""
    return float(min(backoff * 2 ** min(attempt - 2, 30), MOST_BACKOFF))


def may_try_again(result: CommandResult, attempt: int, retry: int) -> bool:
    """A program's `retry`: after a non-zero exit or a time-out, while attempts are left."""
    return attempt <= retry and result.outcome in (Outcome.FAILED, Outcome.TIMEOUT)


def not_in_this_build(arguments: dict[str, Any], line: int) -> ErrorValue | None:
    """What an exec asks for that needs several hosts: refused before it starts, because to run it anyhow would be
    to run it where, or as often as, it must not."""
    if arguments["queue"] is not None:
        return ErrorValue(
            "value_error", "exec: queue is not available in this build: there is one host", line
        )
    if arguments["on_lost"] == "rerun":
        return ErrorValue("value_error", 'exec: on_lost "rerun" is not available in this build', line)
    return None


async def exec(effects: Effects, request: Request) -> Given:
    arguments: dict[str, Any] = request.arguments
    seen = environment(request)
    if error := seen.error or not_in_this_build(arguments, request.line):
        return EffectResult(error=error, undoable=False)
    for name in seen.skipped:
        key = step_id(effects.run.record.id, f"{request.step}/{name}")
        effects.notes.log(key, "warn", f"{name} is too large for the environment and was not passed")
    given = await command_input(
        effects,
        request.step,
        request.line,
        request.text or "",
        env=seen.env,
        secrets=secret_texts(seen.secrets),
        unset=seen.unset,
        files=seen.files,
        secret_files=secret_texts(seen.secret_files),
        cwd=arguments["cwd"],
        timeout=arguments["timeout"],
        grace=arguments["grace"],
        capture=arguments["capture"],
        undo=undo_entry(request),
    )
    result = await command(effects, given, arguments["retry"], arguments["backoff"])
    return exec_answer(result, request.line), result.recorded


async def command_input(
    effects: Effects,
    seq: int,
    line: int,
    text: str,
    *,
    secrets: Mapping[str, SecretText],
    secret_files: Mapping[str, SecretText],
    **more: Any,
) -> CommandInput:
    """A command of this run; notes that nobody wrote yet travel with it."""
    run = effects.run
    hidden = effects.hide((*secrets.values(), *secret_files.values()))
    return CommandInput(
        execution_id=run.record.id,
        workflow_id=run.record.workflow_id,
        step_id=step_id(run.record.id, str(seq)),
        seq=seq,
        line=line,
        spool=run.spool,
        text=text,
        workspace=run.workspace,
        secrets=dict(secrets),
        secret_files=dict(secret_files),
        hidden=hidden,
        use_secrets=run.use_secrets,
        notes=await effects.notes.take(),
        **more,
    )


async def command(effects: Effects, given: CommandInput, retry: int, backoff: float) -> CommandResult:
    """One shell step with the program's retries. A command that is withdrawn answers `cancelled`."""
    step = given.seq
    attempt = effects.attempts.get(step, 1)
    while True:
        effects.attempts[step] = attempt
        handle = calls.start_command(given.model_copy(update={"attempt": attempt}), effects.run.host)
        effects.commands[step] = handle
        effects.sent[step] = given.notes
        if step in effects.withdrawn:
            handle.cancel()
        try:
            result = await handle
        except ActivityError as error:
            if not isinstance(error.cause, CancelledError):
                raise
            effects.recall_notes()
            return cancelled_command(error.cause, attempt)
        if step in effects.withdrawn or not may_try_again(result, attempt, retry):
            return result
        attempt += 1
        effects.commands.pop(step)
        await asyncio.sleep(delay_before(attempt, backoff))


def undo_entry(request: Request) -> UndoEntry | None:
    """The compensation of a command, as it is kept with its step's record."""
    if request.undo is None:
        return None
    seen = undo_environment(request)
    arguments: dict[str, Any] = request.undo.arguments
    return UndoEntry(
        line=request.undo.line,
        text=request.undo.text,
        env=seen.env,
        secrets=secret_texts(seen.secrets),
        unset=seen.unset,
        cwd=arguments["cwd"],
        timeout=arguments["timeout"],
        retry=arguments["retry"],
        backoff=arguments["backoff"],
        when=arguments["when"],
        assigned=request.assigned,
    )


def secret_texts(handles: Mapping[str, SecretHandle]) -> dict[str, SecretText]:
    """Handles as they travel: the worker puts the texts together."""
    return {name: SecretText.model_validate({"parts": handle.parts}) for name, handle in handles.items()}


def cancelled_command(error: CancelledError, attempt: int) -> CommandResult:
    """How a cancelled command ended, as its attendant reported it, if it did."""
    if error.details and isinstance(error.details[0], dict):
        return CommandResult.model_validate(error.details[0])
    return CommandResult(outcome=Outcome.CANCELLED, attempt=attempt, recorded=False)
