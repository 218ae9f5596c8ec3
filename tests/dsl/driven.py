"""Drives random programs as a workflow might: answers in any order, cancels, continues as new, and a journal of it."""

from __future__ import annotations

import json
import random
from typing import Any

from codeai.dsl.bind import Bound, bind
from codeai.dsl.check import check
from codeai.dsl.faults import Fault
from codeai.dsl.journal import Journal, Round
from codeai.dsl.machine import Machine
from codeai.dsl.patch import patch
from codeai.dsl.requests import Asking, EffectResult, Failed, Finished, Request
from codeai.dsl.values import ErrorValue
from tests.dsl.runs import echo, program

MOST_STEPS = 200
MOST_SAID = 20
"""After so many words nothing is retried any more."""


class Driven:
    """One run: `journals` and `states` of each part, the first state being None."""

    def __init__(self, bound: Bound, seed: int, *, parks: bool = False, source: str | None = None) -> None:
        self.random = random.Random(seed)
        self.bound = bound
        self.source = source
        self.patched = 0
        self.machine = Machine.start(bound, {})
        self.journal = Journal()
        if parks:
            self.machine.park_at_errors()
            self.journal.parks()
        self.journals: list[list[Round]] = []
        self.states: list[dict[str, Any] | None] = [None]
        self.rows: dict[int, EffectResult] = {}
        self.outcome: Finished | Failed | None = None
        self.requests: list[Request] = []
        self.withdrawn: list[int] = []
        self.begun: dict[int, list[str]] = {}
        """By step: the programs that have begun it."""
        self.said = 0
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
                for request in outcome.requests:
                    self.begun.setdefault(request.step, []).append(str(self.patched))
                self.withdrawn += outcome.withdrawn
            if self.cancel_at is not None and self.machine.steps >= self.cancel_at:
                self.cancel_at = None
                self.machine.cancel()
                self.journal.cancelled()
            self.answer_some()
            if self.machine.is_parked or (self.machine.parked and self.random.random() < 0.3):
                self.say_something()
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
            in_row = in_row and not self.machine.may_ask_again(step)
            if in_row:
                self.rows[step] = result
            self.journal.answered(step, None if in_row else result)

    def say_something(self) -> None:
        """As people might: again, past it, with another value, or no more."""
        fibre = self.random.choice(self.machine.parked).fibre
        self.said += 1
        word = self.random.choice(["retry", "skip", "skip", "set", "give_up", *["patch"] * bool(self.source)])
        try:
            if word == "retry" and self.said < MOST_SAID:
                self.machine.retry(fibre)
                self.journal.retried(fibre)
            elif word == "skip":
                value = self.random.choice([None, 1, "x", [1, 2], {"k": [True]}])
                self.machine.skip(fibre, value)
                self.journal.skipped(fibre, value)
            elif word == "set":
                seen = next(one for one in self.machine.view()["fibres"] if one["fibre"] == fibre)[
                    "variables"
                ]
                name = self.random.choice([*seen, "a", "nothing"])
                self.machine.set(fibre, name, 2)
                self.journal.set(fibre, name, 2)
            elif word == "patch" and self.said < MOST_SAID:
                self.patch()
            elif self.said > MOST_SAID // 2:
                error = ErrorValue("failed", "given up")
                self.machine.give_up(error)
                self.journal.gave_up(error)
        except Fault:
            pass  # refused: nothing has changed

    def patch(self) -> None:
        """The same program in another form."""
        self.patched += 1
        before, now = self.form(self.patched - 1), self.form(self.patched)
        code, to = patch(check(before), check(now), self.machine.standing())
        self.bound = bind(code)
        self.machine.patch(self.bound, to)
        self.journal.patched(str(self.patched - 1), str(self.patched), to, self.machine.steps)

    def form(self, number: int) -> str:
        more = "".join(f"function more{at}() {{\n return {at}\n}}\n\n" for at in range(number % 3))
        head, sep, tail = str(self.source).partition("var g")
        return f"{self.source}\n{more}" if number % 2 else f"{head}{more}{sep}{tail}"

    def program_of(self, name: str) -> Bound:
        return program(self.form(int(name)))

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
