"""Every limit of a run: what is just allowed, and what is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from codeai.dsl.limits import EFFECT_RESULT, FIBRES_AT_ONCE, INSTRUCTIONS_OF_RUN, LIMITS, UNDO_ENTRIES, Limit
from codeai.dsl.machine import Machine
from codeai.dsl.requests import Asking, EffectResult, Failed, Finished, Sliced
from codeai.dsl.values import ExecValue
from tests.dsl.runs import program, run


@dataclass(frozen=True)
class Over:
    """A program that passes a limit at `line`. Its effects are answered with `answer`; `state` is where it stands
    before, for limits that a run from its start would reach too late for a test."""

    source: str
    line: int
    answer: Any = None
    state: dict[str, Any] = field(default_factory=dict)


FULL_UNDO = list(range(1000, 1000 + UNDO_ENTRIES.most))
NEARLY_SPENT = {"spent": INSTRUCTIONS_OF_RUN.most - 100, "since": INSTRUCTIONS_OF_RUN.most - 100}
LARGE = 'var s = "0123456789abcdef"\nfor i in range(13) { s += s }\n'

OVER = {
    "instructions between two effects": Over("log(1)\nwhile true { }", 2),
    "instructions of a run": Over("var n = 0\nwhile true {\n  log(n) n += 1 }", 3, state=NEARLY_SPENT),
    "call depth": Over("function f(n) {\n  return f(n + 1) }\nreturn f(0)", 2),
    "string size": Over('var s = "0123456789abcdef"\nwhile true { s += s }', 2),
    "items": Over("var n = 100001\nreturn range(n)", 2),
    "state size": Over("var a = [1]\nwhile true { a = [a, a] }", 2),
    "open undo entries": Over("log(1)\nexec { a } undo { b }", 2, state={"undo": FULL_UNDO}),
    "effect input": Over(LARGE + "log([s, s])", 3),
    "effect result": Over(
        "log(1)\nvar r = exec { cat }", 2, ExecValue("x" * (EFFECT_RESULT.most + 1), "", 0)
    ),
    "nesting": Over("var a = [1]\nwhile true { a = [a] }", 2),
}
"""By the limit's name, as the table has it."""


def ended(over: Over) -> Finished | Failed:
    bound = program(over.source)
    machine = Machine.resume(bound, {**Machine.start(bound, {}).state(), **over.state})
    while not isinstance(outcome := machine.advance(), Finished | Failed):
        if isinstance(outcome, Asking):
            for request in outcome.requests:
                value = over.answer if request.effect == "exec" else None
                machine.answer(request.step, EffectResult(value))
    return outcome


def fails(source: str, name: str) -> None:
    done = run(source)
    assert done.error is not None
    assert done.error.kind == "limit" and f"limit {name}:" in done.error.message, done.error.message


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_a_program_over_a_limit_fails_and_is_told_which_where_and_what_to_do(limit: Limit) -> None:
    over = OVER[limit.name]
    outcome = ended(over)
    assert isinstance(outcome, Failed)
    error = outcome.error
    assert (error.kind, error.line) == ("limit", over.line)
    assert error.message == f"{limit.what} (limit {limit.name}: {limit.most:,}); {limit.advice}"


def test_every_limit_has_a_program_over_it_and_says_what_to_do() -> None:
    assert [limit.name for limit in LIMITS] == list(OVER)
    assert all(limit.advice and limit.what for limit in LIMITS)


@pytest.mark.parametrize(
    "over",
    [
        Over("exec { a } undo { b }", 0, ExecValue("", "", 0), {"undo": FULL_UNDO[1:]}),
        Over("var r = exec { cat }", 0, ExecValue("x" * EFFECT_RESULT.most, "", 0)),
        Over("log(1)", 0, state=NEARLY_SPENT),
    ],
    ids=["open undo entries", "effect result", "instructions of a run"],
)
def test_a_limit_of_effects_and_runs_itself_is_allowed(over: Over) -> None:
    assert isinstance(ended(over), Finished)


@pytest.mark.parametrize(
    "source",
    [
        "function f(n) { if n == 0 { return 0 } return 1 + f(n - 1) }\nreturn f(255)",
        'var s = "0123456789abcdef"\nfor i in range(14) { s += s }\nreturn len(s)',
        "return len(range(100000))",
        "var a = []\nfor i in range(100000) { a = append(a, i) }\nreturn len(a)",
        "var a = range(100000)\nvar s = 0\nfor x in a { s += x }\nreturn s",
        "var a = 1\nfor i in range(99) { a = [a] }\nreturn type([a])",
        'var s = "0123456789abcdef"\nfor i in range(14) { s += s }\nlog(s)',
    ],
)
def test_a_limit_itself_is_allowed(source: str) -> None:
    assert run(source).error is None


def test_a_limit_cannot_be_caught() -> None:
    fails("try { return range(100001) } catch e { return 1 }", "items")
    fails("function f(n) { try { f(n) } catch e { } }\nf(0)", "call depth")
    tried = Over("try { exec { cat } } catch e { return 1 }", 1, OVER["effect result"].answer)
    assert isinstance(ended(tried), Failed)


def test_what_is_given_to_an_effect_is_bounded() -> None:
    fails(LARGE + "log([s, s])", "effect input")
    fails(LARGE + 'exec(files: {a: s, b: s, c: "x"}) { cat }', "effect input")


def test_many_undo_entries_are_refused_before_the_command() -> None:
    bound = program("exec { a } undo { b }")
    machine = Machine.resume(bound, {**Machine.start(bound, {}).state(), "undo": FULL_UNDO})
    assert isinstance(machine.advance(), Failed)
    assert not machine.pending


@pytest.mark.parametrize(
    "source",
    [
        "var a = []\nvar n = 0\nwhile n < 30000 { a = append(a, n) n += 1 }\nreturn len(a)",
        "var a = []\nvar n = 0\nwhile n < 30000 { a += [n] n += 1 }\nreturn len(a)",
        "var a = range(30000)\nvar n = 0\nwhile n < 30000 { a[n] = 0 n += 1 }\nreturn len(a)",
        'var m = {}\nvar n = 0\nwhile n < 20000 { m["k${n}"] = n n += 1 }\nreturn len(m)',
    ],
)
def test_building_a_value_counts_what_is_added(source: str) -> None:
    assert run(source).instructions < 20 * 30_000


def test_sharing_a_large_value_counts() -> None:
    small = run("var a = range(16)\nfor i in range(100) { var b = a }").instructions
    large = run("var a = range(16000)\nfor i in range(100) { var b = a }").instructions
    assert large - small > 90 * 1000


def test_the_count_does_not_depend_on_who_holds_a_value() -> None:
    alone = run("var a = range(1000)\nvar b = 0\na[0] = 1\nreturn a[0]").instructions
    shared = run("var a = range(1000)\nvar b = a\na[0] = 1\nreturn a[0]").instructions
    assert shared == alone + 1000 // 16


def test_blocks_that_ended_hold_nothing() -> None:
    large = 'var b = "xxxxxxxxxxxxxxxx"\nfor i in range(13) { b += b }\n'
    assert (
        run(large + "if true { var c = [b, b, b, b] }\nif true { var q = 1 var d = [b, b, b, b] }").error
        is None
    )
    assert run(large + "function f() { var c = [b, b, b, b] }\nf()\nf()\nvar d = [b, b, b, b]").error is None
    fails(large + "var c = [b, b, b, b]\nvar d = [b, b, b, b]", "state size")


def test_all_fibres_together_have_one_state() -> None:
    large = 'var b = "xxxxxxxxxxxxxxxx"\nfor i in range(13) { b += b }\n'
    fails(large + "parallel for x in range(8) { var c = b + x log(1) log(c) }", "state size")
    assert run(large + "parallel(limit: 2) for x in range(20) { var c = b + x log(1) }").error is None


def test_a_slice_ends_at_a_loop_head() -> None:
    machine = Machine.start(program("var n = 0\nwhile n < 20000 { n += 1 }\nlog(n)"), {})
    assert machine.advance() == Sliced()
    assert 20_000 <= machine.instructions < 20_010
    outcomes = [machine.advance() for _ in range(5)]
    asking = next(one for one in outcomes if isinstance(one, Asking))
    assert asking.requests[0].arguments["text"] == "20000"
    machine.answer(1, EffectResult())
    assert isinstance(machine.advance(), Finished)


def test_fibres_without_loops_end_slices_too() -> None:
    assert run("return len(parallel for x in range(20000) { return x })").slices > 5


@pytest.mark.parametrize(
    "source",
    [
        "parallel(limit: 3000) for i in range(3000) { log(i) }",
        "parallel(limit: 40) for i in range(40) { parallel(limit: 100) for j in range(100) { log(j) } }",
        "parallel(limit: 2000) for i in range(2000) { parallel(limit: 9) for j in range(9) { log(j) } }",
    ],
)
def test_a_run_has_no_more_under_way_at_once_than_a_workflow_may(source: str) -> None:
    machine = Machine.start(program(source), {})
    while not isinstance(asked := machine.advance(), Asking):
        pass
    assert len(asked.requests) == FIBRES_AT_ONCE
