"""The effects of a run that are under way, and the answers that its machine has not taken yet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias, TypeVar

from temporalio import workflow
from temporalio.exceptions import is_cancelled_exception
from temporalio.workflow import ActivityHandle

from codeai.dsl.journal import result_to_plain
from codeai.dsl.requests import EffectResult, Request
from codeai.dsl.values import ErrorValue
from codeai.workflows.contracts.commands import Decision
from codeai.workflows.contracts.events import EmitInput, WaitInput
from codeai.workflows.contracts.executions import Budget, Carried, ExecutionRecord
from codeai.workflows.contracts.hosts import HearInput, Place
from codeai.workflows.contracts.http import HttpInput
from codeai.workflows.contracts.shell import CommandInput, CommandResult, WorkspaceSeed
from codeai.workflows.contracts.steps import Notes, SecretText, StepBegun, UndoEntry
from codeai.workflows.effects.notebook import Notebook
from codeai.workflows.effects.outbox import MOST_OF_ONE, Outbox, must_fit
from codeai.workflows.effects.places import Places
from codeai.workflows.hosts import hear_cancel
from codeai.workflows.states import step_id


@dataclass(frozen=True, slots=True)
class Run:
    """What every effect of a run needs to know of it."""

    record: ExecutionRecord
    budget: Budget
    workspace: WorkspaceSeed | None
    use_secrets: bool
    depth: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a step; `in_row` says that its row holds it, so that the journal need not."""

    step: int
    result: EffectResult
    in_row: bool = False


Sent = TypeVar("Sent", CommandInput, HttpInput, EmitInput, WaitInput)
Given: TypeAlias = "EffectResult | tuple[EffectResult, bool]"
Performer: TypeAlias = "Callable[[Effects, Request], EffectResult | Awaitable[Given]]"


class Effects:
    """`since` says when a step began to wait, `attempts` which attempt of a command is under way, `tried` how many
    there were of one that has failed, `has_run` that one before the one under way has begun, `decisions` and `arrived`
    what was sent to steps and not read yet, `secrets` which ones steps were given. A `resting` step waits for nothing
    that is in flight, one in `placing` for a host; `at` says where a command's attempt under way is, `silent` since
    when its host has been, `handed_over` which ones a workflow run before this one has sent there."""

    def __init__(self, run: Run, performers: Mapping[str, Performer], carried: Carried | None) -> None:
        self.run = run
        self.notes = Notebook(run.record.id)
        self.outbox = Outbox()
        self.attempts: dict[int, int] = dict(carried.attempts) if carried else {}
        self.tried: dict[int, int] = dict(carried.tried) if carried else {}
        self.has_run: set[int] = set(carried.has_run) if carried else set()
        self.since: dict[int, float] = dict(carried.since) if carried else {}
        self.decisions: dict[int, Decision] = dict(carried.decisions) if carried else {}
        self.secrets: dict[str, None] = dict.fromkeys(carried.secrets) if carried else {}
        self.places = Places(run.record, carried)
        self.at: dict[int, Place] = dict(carried.at) if carried else {}
        self.handed_over: set[int] = set(self.at)
        self.placing: set[int] = set()
        self.silent: dict[int, float] = dict(carried.silent) if carried else {}
        self.status_text: str | None = carried.status_text if carried else None
        self.arrived: dict[int, dict[str, Any]] = {}
        self.under_way: dict[int, asyncio.Task[None]] = {}
        self.commands: dict[int, ActivityHandle[CommandResult]] = {}
        self.sent: dict[int, Notes] = {}
        self.resting: dict[int, Request] = {}
        self.withdrawn: set[int] = set()
        self._starting: set[int] = set()
        self._telling: set[asyncio.Future[None]] = set()
        self._performers = performers
        self._begun: set[int] = set(self.since)
        self._answers: list[Answer] = []
        self._broken: BaseException | None = None

    # What the run's loop asks

    @property
    def answered(self) -> bool:
        return bool(self._answers) or self._broken is not None or self.notes.broken is not None

    @property
    def only_commands(self) -> bool:
        """Nothing is in flight but commands that the next workflow run can take over; waits are data."""
        taken_up = (self.commands, self.resting, self.placing, self.silent)
        return all(any(step in known for known in taken_up) for step in self.under_way)

    @property
    def only_rests(self) -> bool:
        """Nothing is in flight."""
        return all(step in self.resting for step in self.under_way)

    @property
    def only_waits(self) -> bool:
        """The run stands still until a person, an event or a clock says otherwise."""
        return bool(self.under_way) and self.only_rests

    def take_answers(self) -> list[Answer]:
        """What came back since the last time. Raises what broke in one of ours."""
        for broken in (self._broken, self.notes.broken):
            if broken is not None:
                raise broken
        answers, self._answers = self._answers, []
        return answers

    def start(self, request: Request) -> None:
        """Begins an effect; its answer comes by `take_answers`."""
        answer = self._performers[request.effect](self, request)
        if isinstance(answer, EffectResult):
            self._answers.append(Answer(request.step, answer))
        else:
            self._starting.add(request.step)
            self.under_way[request.step] = asyncio.ensure_future(self._settle(request, answer))

    def withdraw(self, step: int) -> None:
        """The machine no longer wants it: a command dies (its answer says so), all else ends at once."""
        self.withdrawn.add(step)
        if step in self._starting:
            # A task that is cancelled before it has begun never settles, nor what the workflow run before left of it.
            asyncio.get_running_loop().call_soon(self._let_go, step)
        else:
            self._let_go(step)

    def _let_go(self, step: int) -> None:
        if (handle := self.commands.get(step)) is not None:
            if not handle.cancelling():
                handle.cancel()
            self._hasten(step)
        elif step in self.silent or (step in self.at and step in self.attempts):
            pass  # whether it is dead is known when its host answers, or is lost
        elif (task := self.under_way.get(step)) is not None:
            task.cancel()
        elif all(answer.step != step for answer in self._answers):
            self._answers.append(Answer(step, unwanted()))

    def _hasten(self, step: int) -> None:
        """Its host hears of the cancel now. It is in flight beside everything else: a run ends, or continues as new,
        without it."""
        if step in self.at and step not in self.silent:
            id = step_id(self.run.record.id, str(step))
            telling = hear_cancel(self.at[step].host, HearInput(execution_id=self.run.record.id, step_id=id))
            task = asyncio.ensure_future(telling)
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _settle(self, request: Request, work: Awaitable[Given]) -> None:
        step = request.step
        self._starting.discard(step)
        try:
            given = await work
        except BaseException as error:  # noqa: BLE001 - handed to the run's loop, which raises it
            if not is_cancelled_exception(error):
                self._broken = error
                return
            given = unwanted(undoable=step in self.has_run)
        finally:
            self.under_way.pop(step, None)
            if step in self.attempts:
                self.tried[step] = self.attempts[step]
            for known in (
                self.attempts,
                self.at,
                self.since,
                self.commands,
                self.resting,
                self.sent,
                self.silent,
            ):
                known.pop(step, None)
            for told in (self.decisions, self.arrived):
                told.pop(step, None)
            self.has_run.discard(step)
        result, in_row = given if isinstance(given, tuple) else (given, False)
        if step in self._begun:
            self._begun.discard(step)
            self._end(request, result)
            in_row = True
        self._answers.append(Answer(step, result, in_row))

    # What performers use

    def began(self, request: Request) -> float:
        """When the step began to wait, in whatever workflow run that was."""
        return self.since.setdefault(request.step, workflow.time())

    def step_id(self, request: Request) -> str:
        return step_id(self.run.record.id, str(request.step))

    def begun(
        self,
        request: Request,
        command: str,
        arguments: dict[str, Any] | None = None,
        undo: UndoEntry | None = None,
    ) -> StepBegun:
        """The step's row as it begins; its time is kept over continue-as-new."""
        return StepBegun(
            step_id=self.step_id(request),
            seq=request.step,
            kind=request.effect,
            line=request.line,
            command=command,
            arguments=arguments or {},
            undo=undo,
            started_at=self.began(request),
        )

    async def placed(self, step: int, label: str) -> Place:
        """Where the step's attempt is, or goes: it stays there, whatever place others take meanwhile. Waits until a
        host takes it."""
        if step not in self.at:
            self.placing.add(step)
            try:
                self.at[step] = await self.places.of(label)
            finally:
                self.placing.discard(step)
        return self.at[step]

    def hide(self, texts: Iterable[SecretText]) -> tuple[str, ...]:
        """The secrets that earlier steps were given, which this one may not show either; those of `texts` are
        among them from now on."""
        earlier = tuple(self.secrets)
        for text in texts:
            self.secrets.update((name, None) for name in text.names)
        return earlier

    def note_begin(
        self,
        request: Request,
        command: str,
        arguments: dict[str, Any] | None = None,
        undo: UndoEntry | None = None,
    ) -> bool:
        """Notes that a step began, unless a workflow run before this one has; its end is noted when it ends. Answers
        whether it has only now."""
        if request.step in self._begun:
            return False
        self._begun.add(request.step)
        self.notes.begin(self.begun(request, command, arguments, undo), len(command))
        return True

    async def with_notes(self, given: Sent) -> Sent:
        """What an activity is given, with the notes that it takes along. Raises Fault(limit) where it is too large."""
        size = must_fit(given, "what is given to the effect")
        return given.model_copy(update={"notes": await self.notes.take(MOST_OF_ONE - size)})

    def note_end_of(self, request: Request) -> None:
        """The step's row is begun by an activity; its end is noted when it ends."""
        self._begun.add(request.step)

    def recall_notes(self) -> None:
        """What commands under way took along may not have arrived: it is written again."""
        for notes in reversed(self.sent.values()):
            self.notes.restore(notes)
        self.sent.clear()

    async def rest(self, request: Request, until: Callable[[], bool], limit: float | None) -> bool:
        """Waits for what is sent to the step, at most until `limit` seconds after it began. Whether it came."""
        with self._resting(request):
            if limit is None:
                await workflow.wait_condition(until)
                return True
            left = self.since[request.step] + limit - workflow.time()
            try:
                await workflow.wait_condition(until, timeout=timedelta(seconds=max(0.0, left)))
            except TimeoutError:
                return until()
            return True

    @contextmanager
    def _resting(self, request: Request) -> Iterator[None]:
        self.resting[request.step] = request
        try:
            yield
        finally:
            self.resting.pop(request.step, None)

    def _end(self, request: Request, result: EffectResult) -> None:
        status = "succeeded"
        if result.error is not None:
            status = result.error.kind if result.error.kind in ("timeout", "cancelled", "lost") else "failed"
        answer = result_to_plain(result)
        self.notes.end(
            self.step_id(request),
            status,
            answer,
            len(json.dumps(answer)),
            is_awaited=request.effect == "approve",
        )


def unwanted(*, undoable: bool = False) -> EffectResult:
    """The answer of what nobody wants any more."""
    return EffectResult(error=ErrorValue("cancelled", "cancelled"), undoable=undoable)
