"""Random programs: stored and restored before every step they do the same, and a slow reference agrees."""

from __future__ import annotations

from typing import Any

import pytest

import codeai.dsl.machine as machine_module
from codeai.dsl.limits import STATE
from codeai.dsl.requests import EffectResult, Request
from tests.dsl.random_programs import Programs
from tests.dsl.reference import Reference
from tests.dsl.runs import echo, program, run

SEEDS = range(60)


def same(seed: int, last_first: bool = False) -> None:
    bound = program(Programs(seed).program())
    once = run(bound, last_first=last_first)
    if len(once.requests) > 100:
        pytest.skip("a long one")
    assert run(bound, last_first=last_first, restored=True).seen() == once.seen()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_restored_run_goes_on_as_if_nothing_had_been(seed: int) -> None:
    same(seed)
    same(seed, last_first=True)


@pytest.mark.parametrize("seed", range(15))
def test_also_in_the_middle_of_loops(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_module, "SLICE", 3)
    same(seed)


@pytest.mark.parametrize("seed", range(25))
def test_also_next_to_a_limit(seed: int) -> None:
    most = STATE.most
    object.__setattr__(STATE, "most", 600)
    try:
        same(seed)
    finally:
        object.__setattr__(STATE, "most", most)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_machine_agrees_with_the_reference(seed: int) -> None:
    source = Programs(seed, fibres=False).program()
    reference = Reference(source, lambda text, seen: echo(Request(0, "exec", 0, 0, {}, text, seen)).value)
    expected = reference.run()
    effects: list[Any] = []

    def answer(request: Request) -> EffectResult:
        result = echo(request)
        effects.append(result.value.stdout if request.effect == "exec" else request.arguments["text"])
        return result

    done = run(source, answer=answer)
    got = ("error", done.error.kind, done.error.line) if done.error else done.result
    assert (got, effects) == (expected, reference.effects)
