"""The journal: what it notes is enough to make the same run again."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

import codeai.dsl.machine as machine_module
from codeai.dsl.bind import Bound
from codeai.dsl.journal import Journal, Round, replay, result_from_plain, result_to_plain
from codeai.dsl.machine import Machine
from codeai.dsl.requests import Asking, EffectResult, Failed, Finished, Request
from codeai.dsl.values import ErrorValue, ExecValue, SecretHandle, encode
from tests.dsl.random_programs import Programs
from tests.dsl.runs import echo, program, repr_of

MOST_STEPS = 200


class Driven:
    """A random program driven as a workflow might: answers in any order and number, cancelled at some point,
    continued as new now and then."""

    def __init__(self, bound: Bound, seed: int) -> None:
        self.random = random.Random(seed)
        self.bound = bound
        self.machine = Machine.start(bound, {})
        self.journal = Journal()
        self.journals: list[list[Round]] = []
        self.rows: dict[int, EffectResult] = {}
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
        self.machine = Machine.resume(self.bound, json.loads(json.dumps(self.machine.state())))


@pytest.mark.parametrize("seed", range(80))
def test_a_run_made_again_from_its_journals_asks_the_same_and_ends_the_same(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 3 == 0:
        monkeypatch.setattr(machine_module, "SLICE", 5)
    bound = program(Programs(seed).program())
    driven = Driven(bound, seed)
    state = driven.run()

    machine = Machine.start(bound, {})
    requests: list[Request] = []
    withdrawn: list[int] = []
    for rounds in json.loads(json.dumps(driven.journals)):
        for outcome in replay(machine, rounds, driven.rows.get):
            if isinstance(outcome, Asking):
                requests += outcome.requests
                withdrawn += outcome.withdrawn
    assert machine.state() == state
    assert [repr_of(one) for one in requests] == [repr_of(one) for one in driven.requests]
    assert withdrawn == driven.withdrawn


def test_a_replay_stops_where_a_result_is_missing() -> None:
    bound = program("var a = exec { one } var b = exec { two } return [a, b]")
    rounds: list[Round] = [[1, [1]], [1, [2]], [1]]
    machine = Machine.start(bound, {})
    outcomes = list(replay(machine, rounds, {1: EffectResult(ExecValue("one"))}.get))
    assert len(outcomes) == 2
    assert list(machine.pending) == [2]


@pytest.mark.parametrize(
    "result",
    [
        EffectResult(),
        EffectResult(2.0),
        EffectResult(1e22),
        EffectResult({"$exec": ["no exec"], "a": [1, 2.5, None, {"$map": {}}]}),
        EffectResult({"$secret": 1}),
        EffectResult({"handle": SecretHandle((("text", "Bearer "), ("secret", "npm")))}),
        EffectResult(ExecValue("out", "err", 3, 0.25, 2, True)),
        EffectResult(error=ErrorValue("exec_failed", "no", 3, 1, "why"), undoable=False),
        EffectResult(
            error=ErrorValue("failed", "2 of 2", errors=(ErrorValue("a", "b"), ErrorValue("c", "d", 1)))
        ),
    ],
)
def test_a_result_is_kept_without_loss(result: EffectResult) -> None:
    again = result_from_plain(json.loads(json.dumps(result_to_plain(result))))
    assert repr(seen(again)) == repr(seen(result))


def seen(result: EffectResult) -> Any:
    value = result.value
    if isinstance(value, dict):
        value = {key: encode(item) for key, item in value.items()}
    return (encode(value), encode(result.error), result.undoable)


def test_the_size_grows_with_what_is_kept_and_begins_anew() -> None:
    journal = Journal()
    for step in range(1, 100):
        journal.advanced()
        journal.answered(step, EffectResult("x" * 1000))
    journal.cancelled()
    size = len(json.dumps(journal.rounds, separators=(",", ":")))
    assert 0.9 * size < journal.size < 1.1 * size
    assert len(journal.take()) == 99
    assert (journal.rounds, journal.size) == ([], 0)
    journal.cancelled()
    assert journal.take() == [[0, "cancel"]]
