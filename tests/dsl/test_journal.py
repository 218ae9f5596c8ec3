"""The journal: what it notes is enough to make the same run again."""

from __future__ import annotations

import json
from typing import Any

import pytest

import codeai.dsl.machine as machine_module
from codeai.dsl.bind import Bound
from codeai.dsl.journal import Journal, Round, begun_in, inputs_of, replay, result_from_plain, result_to_plain
from codeai.dsl.machine import Machine
from codeai.dsl.requests import Asking, EffectResult, Finished, Request
from codeai.dsl.stored import encode
from codeai.dsl.values import ErrorValue, ExecValue, SecretHandle, to_result
from tests.dsl.driven import Driven
from tests.dsl.random_programs import Programs
from tests.dsl.runs import program, repr_of


def never(_: str) -> Bound:
    raise AssertionError


@pytest.mark.parametrize("parks", [False, True], ids=["fails", "parks"])
@pytest.mark.parametrize("seed", range(40))
def test_a_run_made_again_from_its_journals_asks_the_same_and_ends_the_same(
    seed: int, parks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 3 == 0:
        monkeypatch.setattr(machine_module, "SLICE", 5)
    source = Programs(seed).program()
    bound = program(source)
    driven = Driven(bound, seed, parks=parks, source=source)
    state = driven.run()

    machine = Machine.start(bound, {})
    requests: list[Request] = []
    withdrawn: list[int] = []
    for rounds in json.loads(json.dumps(driven.journals)):
        for outcome in replay(machine, rounds, driven.rows.get, driven.program_of):
            if isinstance(outcome, Asking):
                requests += outcome.requests
                withdrawn += outcome.withdrawn
    assert machine.state() == state
    assert [repr_of(one) for one in requests] == [repr_of(one) for one in driven.requests]
    assert withdrawn == driven.withdrawn


@pytest.mark.parametrize("seed", range(40))
def test_the_journals_tell_which_program_began_a_step(seed: int) -> None:
    source = Programs(seed).program()
    driven = Driven(program(source), seed, parks=True, source=source)
    driven.run()
    found = begun_in(json.loads(json.dumps(driven.journals)))
    answered = driven.begun.keys() - driven.machine.pending.keys()
    assert found.keys() >= answered if driven.patched else not found
    for step, programs in driven.begun.items():
        if step in found and len(programs) == 1:
            assert found[step] == programs[0], step


def test_a_step_that_was_retried_is_of_the_program_that_began_it_last() -> None:
    patch = {"do": "patch", "before": "old", "program": "new", "steps": 3}
    answers: list[list[Round]] = [[[1, [1]], [1, [2], patch]], [[1, [3]], [1, [2]], [1, [4]]]]
    assert begun_in(answers) == {1: "old", 2: "new", 3: "old", 4: "new"}


def test_a_replay_stops_where_a_result_is_missing() -> None:
    bound = program("var a = exec { one } var b = exec { two } return [a, b]")
    rounds: list[Round] = [[1, [1]], [1, [2]], [1]]
    machine = Machine.start(bound, {})
    outcomes = list(replay(machine, rounds, {1: EffectResult(ExecValue("one"))}.get, never))
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


def test_inputs_that_are_values_of_another_program_are_kept() -> None:
    handle = SecretHandle((("secret", "npm"),))
    journal = Journal()
    journal.started({"key": handle, "built": ExecValue("v1")})
    journal.advanced()
    rounds = json.loads(json.dumps(journal.take()))
    found = inputs_of(rounds)
    assert found is not None and encode(found["key"]) == encode(handle)
    machine = Machine.start(program("param key\nparam built\nreturn [type(key), built.exit_code]"), found)
    (finished,) = replay(machine, rounds, lambda _: None, never)
    assert isinstance(finished, Finished) and to_result(finished.value) == ["secret", 0]
    assert inputs_of([[1, [1]]]) is None and inputs_of([]) is None


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
