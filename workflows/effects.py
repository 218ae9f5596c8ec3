"""How a run's effects are performed in workflow code: one method an effect, found by its name in the table."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, CancelledError, is_cancelled_exception
from temporalio.workflow import ActivityHandle

from codeai.dsl.environment import environment, undo_environment
from codeai.dsl.requests import EffectResult, Request
from codeai.dsl.values import ErrorValue, ExecValue, shown
from codeai.workflows import calls
from codeai.workflows.contracts.executions import Budget, Carried, ExecutionRecord
from codeai.workflows.contracts.records import WriteLogInput
from codeai.workflows.contracts.shell import CommandInput, CommandResult, Outcome, WorkspaceSeed
from codeai.workflows.contracts.steps import LogLine, UndoEntry
from codeai.workflows.states import step_id

LINES_KEPT = 64 * 1024
"""Bytes of log lines that wait for the next record before they are written on their own."""

LONGEST_STATUS = 1000
MOST_BACKOFF = 60.0


@dataclass(frozen=True, slots=True)
class Run:
    """What every effect of a run needs to know of it."""

    record: ExecutionRecord
    host: str
    spool: str
    budget: Budget
    workspace: WorkspaceSeed | None


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


class Effects:
    """The effects under way and the answers that the machine has not taken yet."""

    def __init__(self, run: Run, carried: Carried | None) -> None:
        self.run = run
        self.attempts: dict[int, int] = dict(carried.attempts) if carried else {}
        self.deadlines: dict[int, float] = dict(carried.deadlines) if carried else {}
        self.status_text: str | None = carried.status_text if carried else None
        self.under_way: dict[int, asyncio.Task[None]] = {}
        self.commands: dict[int, ActivityHandle[CommandResult]] = {}
        self._answers: list[tuple[int, EffectResult]] = []
        self._broken: BaseException | None = None
        self._withdrawn: set[int] = set()
        self._lines: list[LogLine] = []
        self._line_bytes = 0

    # What the run's loop asks

    @property
    def answered(self) -> bool:
        return bool(self._answers) or self._broken is not None

    @property
    def only_commands(self) -> bool:
        """Nothing is in flight but commands that the next run can take over, and timers that are data."""
        return all(step in self.commands or step in self.deadlines for step in self.under_way)

    def take_answers(self) -> list[tuple[int, EffectResult]]:
        """What came back since the last time. Raises what broke in one of ours."""
        if self._broken is not None:
            raise self._broken
        answers, self._answers = self._answers, []
        return answers

    def take_lines(self) -> tuple[LogLine, ...]:
        """The log lines that nobody has written yet: they travel with the next record."""
        lines, self._lines, self._line_bytes = tuple(self._lines), [], 0
        return lines

    async def flush_lines(self) -> None:
        if self._lines:
            await calls.WRITE_LOG(WriteLogInput(execution_id=self.run.record.id, lines=self.take_lines()))

    def start(self, request: Request) -> None:
        """Begins an effect; its answer comes by `take_answers`."""
        answer = PERFORMERS[request.effect](self, request)
        if isinstance(answer, EffectResult):
            self._answers.append((request.step, answer))
        else:
            self.under_way[request.step] = asyncio.ensure_future(self._settle(request.step, answer))

    def withdraw(self, step: int) -> None:
        """The machine no longer wants it: a command dies (its answer says so), all else ends at once."""
        self._withdrawn.add(step)
        if (handle := self.commands.get(step)) is not None:
            handle.cancel()
        elif (task := self.under_way.get(step)) is not None:
            task.cancel()
        elif all(answered != step for answered, _ in self._answers):
            self._answers.append((step, withdrawn()))

    async def _settle(self, step: int, work: Awaitable[EffectResult]) -> None:
        try:
            answer = await work
        except BaseException as error:  # noqa: BLE001 - handed to the run's loop, which raises it
            if not is_cancelled_exception(error):
                self._broken = error
                return
            answer = withdrawn()
        finally:
            self.under_way.pop(step, None)
            self.attempts.pop(step, None)
            self.deadlines.pop(step, None)
            self.commands.pop(step, None)
        self._answers.append((step, answer))

    # One method an effect: answered at once, or in time

    def _now(self, _request: Request) -> EffectResult:
        return EffectResult(workflow.time())

    def _uuid(self, _request: Request) -> EffectResult:
        return EffectResult(str(workflow.uuid4()))

    def _random(self, _request: Request) -> EffectResult:
        return EffectResult(workflow.random().random())

    def _set_status(self, request: Request) -> EffectResult:
        self.status_text = shown(request.arguments["text"])[:LONGEST_STATUS]
        workflow.set_current_details(self.status_text)
        return EffectResult()

    def _log(self, request: Request) -> EffectResult | Awaitable[EffectResult]:
        self._keep_line(
            str(request.step), shown(request.arguments["level"]), shown(request.arguments["text"])
        )
        return self._written() if self._line_bytes > LINES_KEPT else EffectResult()

    def _keep_line(self, key: str, level: str, text: str) -> None:
        of_step = step_id(self.run.record.id, key)
        self._lines.append(LogLine(step_id=of_step, level=level, text=text, time=workflow.time()))
        self._line_bytes += len(text)

    async def _written(self) -> EffectResult:
        await self.flush_lines()
        return EffectResult()

    async def _sleep(self, request: Request) -> EffectResult:
        arguments: dict[str, Any] = request.arguments
        deadline = self.deadlines.setdefault(request.step, workflow.time() + arguments["duration"])
        await self.flush_lines()
        await asyncio.sleep(max(0.0, deadline - workflow.time()))
        return EffectResult()

    async def _exec(self, request: Request) -> EffectResult:
        arguments: dict[str, Any] = request.arguments
        seen = environment(request)
        if error := seen.error or not_in_this_build(arguments, request.line):
            return EffectResult(error=error, undoable=False)
        for name in seen.skipped:
            self._keep_line(
                f"{request.step}/{name}",
                "warn",
                f"{name} is too large for the environment and was not passed",
            )
        given = self.command_input(
            request.step,
            request.line,
            request.text or "",
            env=seen.env,
            unset=seen.unset,
            files=seen.files,
            cwd=arguments["cwd"],
            timeout=arguments["timeout"],
            grace=arguments["grace"],
            capture=arguments["capture"],
            undo=undo_entry(request),
        )
        result = await self.command(given, arguments["retry"], arguments["backoff"])
        return exec_answer(result, request.line)

    # Shell steps, of the program and of its undo

    def command_input(self, seq: int, line: int, text: str, **more: Any) -> CommandInput:
        """A command of this run; log lines that nobody wrote yet travel with it."""
        record = self.run.record
        return CommandInput(
            execution_id=record.id,
            workflow_id=record.workflow_id,
            step_id=step_id(record.id, str(seq)),
            seq=seq,
            line=line,
            spool=self.run.spool,
            text=text,
            workspace=self.run.workspace,
            lines=self.take_lines(),
            **more,
        )

    async def command(self, given: CommandInput, retry: int, backoff: float) -> CommandResult:
        """One shell step with the program's retries. A command that is withdrawn answers `cancelled`."""
        step = given.seq
        attempt = self.attempts.get(step, 1)
        while True:
            self.attempts[step] = attempt
            handle = calls.start_command(given.model_copy(update={"attempt": attempt}), self.run.host)
            self.commands[step] = handle
            if step in self._withdrawn:
                handle.cancel()
            try:
                result = await handle
            except ActivityError as error:
                if not isinstance(error.cause, CancelledError):
                    raise
                return cancelled_command(error.cause, attempt)
            if step in self._withdrawn or not may_try_again(result, attempt, retry):
                return result
            attempt += 1
            self.commands.pop(step)
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
        unset=seen.unset,
        cwd=arguments["cwd"],
        timeout=arguments["timeout"],
        retry=arguments["retry"],
        backoff=arguments["backoff"],
        when=arguments["when"],
        assigned=request.assigned,
    )


def withdrawn() -> EffectResult:
    """The answer of what nobody wants any more."""
    return EffectResult(error=ErrorValue("cancelled", "cancelled"), undoable=False)


def cancelled_command(error: CancelledError, attempt: int) -> CommandResult:
    """How a cancelled command ended, as its attendant reported it, if it did."""
    if error.details and isinstance(error.details[0], dict):
        return CommandResult.model_validate(error.details[0])
    return CommandResult(outcome=Outcome.CANCELLED, attempt=attempt)


def exec_answer(result: CommandResult, line: int) -> EffectResult:
    """What the program gets: a result where the command ended by itself, else an error."""
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


PERFORMERS: dict[str, Callable[[Effects, Request], EffectResult | Awaitable[EffectResult]]] = {
    "exec": Effects._exec,
    "log": Effects._log,
    "now": Effects._now,
    "random": Effects._random,
    "set_status": Effects._set_status,
    "sleep": Effects._sleep,
    "uuid": Effects._uuid,
}
"""Who performs what (★): one row for each available effect that leaves the machine."""
