"""Shell steps, of the program and of its undo: each attempt is an activity on its host."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, CancelledError

from codeai.dsl.environment import environment, undo_environment
from codeai.dsl.faults import Fault
from codeai.dsl.requests import EffectResult, Request
from codeai.dsl.values import ErrorValue, SecretHandle
from codeai.workflows import calls
from codeai.workflows.contracts.answers import exec_answer, said
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.hosts import KillInput, Place
from codeai.workflows.contracts.queues import LABEL
from codeai.workflows.contracts.shell import CommandInput, CommandResult, Outcome
from codeai.workflows.contracts.steps import SecretText, StepBegun, UndoEntry
from codeai.workflows.effects.under_way import Effects, Given
from codeai.workflows.hosts import answer_of, end_commands, picked_up_within, was_not_taken
from codeai.workflows.states import step_id

MOST_BACKOFF = 60.0


@dataclass(frozen=True, slots=True)
class Trying:
    """Where a step's commands go (the label, "" for none) and how often it is tried."""

    label: str
    retry: int
    backoff: float
    rerun: bool = False
    """An attempt that was lost is followed by another, in a fresh workspace; it counts among those of `retry`."""


def delay_before(attempt: int, backoff: float) -> float:
    """Seconds to wait before `attempt` (from 2): `backoff`, doubled each time, at most a minute."""
    return float(min(backoff * 2 ** min(attempt - 2, 30), MOST_BACKOFF))


def may_try_again(result: CommandResult, attempt: int, retry: int) -> bool:
    """A program's `retry`: after a non-zero exit or a time-out, while attempts are left."""
    return attempt <= retry and result.outcome in (Outcome.FAILED, Outcome.TIMEOUT)


def room_of(label: str, seeding: int) -> str:
    """What tells a workspace of the run from its others, where one host has several."""
    return (f"@{label}" if label else "") + (f"~{seeding}" if seeding else "")


def no_label(label: str | None, line: int) -> ErrorValue | None:
    """What is wrong with a label; a step without one goes to the runners without one."""
    if label is None or LABEL.fullmatch(label):
        return None
    message = f"exec: queue has 1 to 64 of a-z, A-Z, 0-9, `.`, `_` and `-`, not {label[:80]!r}"
    return ErrorValue("value_error", message, line)


async def exec(effects: Effects, request: Request) -> Given:
    arguments: dict[str, Any] = request.arguments
    seen = environment(request)
    if error := seen.error or no_label(arguments["queue"], request.line):
        return EffectResult(error=error, undoable=False)
    for name in seen.skipped:
        key = step_id(effects.run.record.id, f"{request.step}/{name}")
        effects.notes.log(key, "warn", f"{name} is too large for the environment and was not passed")
    label = arguments["queue"] or ""
    await effects.placed(request.step, label)  # before notes are taken along: it may wait for long
    try:
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
    except Fault as fault:
        return EffectResult(error=ErrorValue(fault.kind, fault.message, request.line), undoable=False)
    trying = Trying(label, arguments["retry"], arguments["backoff"], arguments["on_lost"] == "rerun")
    result = await command(effects, given, trying)
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
    """A command of this run; notes that nobody wrote yet travel with it. Raises Fault(limit) where it is too large."""
    run = effects.run
    hidden = effects.hide((*secrets.values(), *secret_files.values()))
    given = CommandInput(
        execution_id=run.record.id,
        workflow_id=run.record.workflow_id,
        run=workflow.info().first_execution_run_id,
        step_id=step_id(run.record.id, str(seq)),
        seq=seq,
        line=line,
        text=text,
        workspace=run.workspace,
        secrets=dict(secrets),
        secret_files=dict(secret_files),
        hidden=hidden,
        use_secrets=run.use_secrets,
        **more,
    )
    return await effects.with_notes(given)


async def command(effects: Effects, given: CommandInput, trying: Trying) -> CommandResult:
    """One shell step with the program's retries; where somebody has it done again, its attempts go on. A command
    that is withdrawn answers `cancelled`."""
    step = given.seq
    before = effects.tried.get(step, 0)
    attempt = effects.attempts.get(step, before + 1)
    while True:
        effects.attempts[step] = attempt
        place = await effects.placed(step, trying.label)
        there = {
            "attempt": attempt,
            "spool": place.spool,
            "lost_after": place.lost_after,
            "room": room_of(trying.label, place.seeding),
        }
        result = await attempted(effects, given.model_copy(update=there), place)
        del effects.at[step]
        is_lost = result.outcome is Outcome.LOST
        rerun = is_lost and trying.rerun and step not in effects.withdrawn
        if result.spool:
            effects.places.heard_of(place.host, result.spool)
        if rerun:
            effects.places.leave(trying.label, place)
        if not rerun and (
            step in effects.withdrawn or not may_try_again(result, attempt - before, trying.retry)
        ):
            return as_begun(result) if step in effects.has_run else result
        if result.started:
            effects.has_run.add(step)
        if rerun:
            key = step_id(effects.run.record.id, f"{step}/lost/{attempt}")
            effects.notes.log(key, "warn", f"attempt {attempt} was lost, it is run again: {said(result)}")
        attempt += 1
        effects.commands.pop(step, None)
        await asyncio.sleep(delay_before(attempt - before, trying.backoff))


def as_begun(result: CommandResult) -> CommandResult:
    """How the last attempt ended, of a command of which one before has begun: the row says of this one alone."""
    return result if result.started else result.model_copy(update={"started": True, "recorded": False})


async def attempted(effects: Effects, given: CommandInput, place: Place) -> CommandResult:
    """One attempt on its host, however often that has to be asked whether it is there."""
    step = given.seq
    was_sent = step in effects.handed_over
    effects.handed_over.discard(step)
    while True:
        if step not in effects.silent:
            await effects.outbox.room_for(given)
            if step in effects.withdrawn:
                effects.notes.restore(given.notes)
                return await cancelled_command(effects, given, place) if was_sent else not_sent(given)
            effects.commands[step] = calls.start_command(
                given, place.host, picked_up_within(place.lost_after)
            )
            effects.sent[step] = given.notes
            was_sent = True
            try:
                return await effects.commands[step]
            except asyncio.CancelledError:
                # Also where the answer has come at the same time: the SDK does not tell it.
                effects.recall_notes()
                return await cancelled_command(effects, given, place)
            except ActivityError as error:
                not_taken = was_not_taken(error)
                # Temporal repeats no activity whose cancel is asked for: it ends when its worker does.
                if isinstance(error.cause, CancelledError) or (step in effects.withdrawn and not not_taken):
                    effects.recall_notes()
                    return await cancelled_command(effects, given, place, error.cause)
                if not not_taken:
                    raise
            effects.silent[step] = workflow.time()
            del effects.commands[step]
        answer = await answer_of(place.host, place.lost_after, effects.silent[step])
        if answer is None:
            return lost_command(effects, given, place)
        effects.places.heard_of(place.host, answer.spool)
        del effects.silent[step]


async def cancelled_command(
    effects: Effects, given: CommandInput, place: Place, why: BaseException | None = None
) -> CommandResult:
    """How a cancelled command ended: as its attendant has reported. Where nobody attended it, it is dead when its
    host says so."""
    if isinstance(why, CancelledError) and why.details and isinstance(why.details[0], dict):
        return CommandResult.model_validate(why.details[0])
    its_own = KillInput(execution_id=given.execution_id, step_ids=(given.step_id,), attempt=given.attempt)
    killed = await end_commands(place.host, place.lost_after, its_own)
    if killed is None:
        return lost_command(effects, given, place)
    for one in killed.commands:
        if one.attempt == given.attempt and one.result is not None:
            return one.result
    if killed.spool in ("", given.spool):
        return not_sent(given)
    return forgotten_command(effects, given, killed.spool)


def not_sent(given: CommandInput) -> CommandResult:
    """How a cancelled command ended that never came to its host."""
    return CommandResult(outcome=Outcome.CANCELLED, attempt=given.attempt, recorded=False, started=False)


def forgotten_command(effects: Effects, given: CommandInput, spool: str) -> CommandResult:
    """Its host knows nothing of it: it may have begun in the spool that it was sent to, which is gone. Where it has,
    its row says so, and now how it ended."""
    message = "its host has been started anew, or lost its spool: nobody can know how the command ended"
    error = RunError(kind="lost", message=message, line=given.line)
    result = CommandResult(
        outcome=Outcome.LOST, attempt=given.attempt, error=error, recorded=False, spool=spool
    )
    answer = result.model_dump(mode="json")
    effects.notes.end(given.step_id, Outcome.LOST.value, answer, len(message), attempt=given.attempt)
    return result


def lost_command(effects: Effects, given: CommandInput, place: Place) -> CommandResult:
    """The host is lost, and with it whoever would have written that down."""
    effects.places.lose(place.host)
    effects.recall_notes()
    message = f"its host {place.host} has been silent for {place.lost_after:g} s: nobody can know how the command ended"
    error = RunError(kind="lost", message=message, line=given.line)
    # Not `recorded`: its row may say already how it ended, of which the run has not heard.
    result = CommandResult(outcome=Outcome.LOST, attempt=given.attempt, error=error, recorded=False)
    begun = StepBegun(
        step_id=given.step_id,
        seq=given.seq,
        kind=given.kind,
        line=given.line,
        command=given.text,
        undo=given.undo,
        attempt=given.attempt,
        host=place.host,
        started_at=workflow.time(),
    )
    effects.notes.begin(begun, len(given.text))
    answer = result.model_dump(mode="json")
    effects.notes.end(given.step_id, Outcome.LOST.value, answer, len(message), attempt=given.attempt)
    return result


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
        queue=request.arguments["queue"],
        assigned=request.assigned,
    )


def secret_texts(handles: Mapping[str, SecretHandle]) -> dict[str, SecretText]:
    """Handles as they travel: the worker puts the texts together."""
    return {name: SecretText.model_validate({"parts": handle.parts}) for name, handle in handles.items()}
