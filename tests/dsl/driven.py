"""Drives random programs as a workflow might: answers in any order, cancels, continues as new, and a journal of it."""

from __future__ import annotations

import json
import random
from typing import Any

from codeai.dsl.bind import Bound
from codeai.dsl.journal import Journal, Round
from codeai.dsl.machine import Machine
from codeai.dsl.requests import Asking, EffectResult, Failed, Finished, Request
from codeai.dsl.values import ErrorValue
from tests.dsl.runs import echo

MOST_STEPS = 200


class Driven:
    """One run: `journals` and `states` of each part, the first state being None."""

    def __init__(self, bound: Bound, seed: int) -> None:
        self.random = random.Random(seed)
        self.bound = bound
        self.machine = Machine.start(bound, {})
        self.journal = Journal()
        self.journals: list[list[Round]] = []
        self.states: list[dict[str, Any] | None] = [None]
        self.rows: dict[int, EffectResult] = {}
        self.outcome: Finished | Failed | None = None
        self.requests: list[Request] = []
        self.withdrawn: list[int] = []
        self.cancel_at = self.random.choice([None, self.random.randint(0, 30)])

    def run(self) -> Any:
        while self.machine.steps < MOST_STEPS:
            if self.random.random() < 0.1:
                self.continue_as_new()
            outcome = self.machine.advance()
            self.journal.advanced()
            if isinstance(outcome, Finished | Failed):
                self.outcome = outcome
                break
            if isinstance(outcome, Asking):
                self.requests += outcome.requests
                self.withdrawn += outcome.withdrawn
            if self.cancel_at is not None and self.machine.steps >= self.cancel_at:
                self.cancel_at = None
                self.machine.cancel()
                self.journal.cancelled()
            self.answer_some()
        self.journals.append(self.journal.take())
        return self.machine.state()

    def answer_some(self) -> None:
        waiting = list(self.machine.pending)
        self.random.shuffle(waiting)
        least = 0 if self.machine.runnable else 1
        for step in waiting[: self.random.randint(min(least, len(waiting)), len(waiting))]:
            if step not in self.machine.pending:
                continue
            result = self.result(self.machine.pending[step])
            in_row = self.machine.pending[step].effect == "exec" and self.random.random() < 0.7
            self.machine.answer(step, result)
            if in_row:
                self.rows[step] = result
            self.journal.answered(step, None if in_row else result)

    def result(self, request: Request) -> EffectResult:
        if request.step in self.withdrawn:
            return EffectResult(
                error=ErrorValue("cancelled", "cancelled"), undoable=self.random.random() < 0.5
            )
        if self.random.random() < 0.1:
            return EffectResult(error=ErrorValue("lost", "gone", None, None, ""), undoable=False)
        return echo(request)

    def continue_as_new(self) -> None:
        self.journals.append(self.journal.take())
        self.states.append(json.loads(json.dumps(self.machine.state())))
        self.machine = Machine.resume(self.bound, json.loads(json.dumps(self.machine.state())))
