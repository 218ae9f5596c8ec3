"""How long a run keeps others waiting: a slice ends wherever the program is, soon after its instructions are spent."""

from __future__ import annotations

import json

import pytest

from codeai.dsl.limits import SLICE
from codeai.dsl.machine import Machine
from codeai.dsl.requests import Asking, EffectResult, Failed, Finished
from tests.dsl.runs import program, run

NESTED = "var x = []\nfor i in range(500) { x += [[i]] }\nvar a = []\nfor i in range(100) { a += [x] }\n"
TEXT = 'var s = "ab"\nfor i in range(17) { s += s }\n'
MOST_AT_ONCE = 30_000
"""What one instruction of the compiled program may count as: a few walks through all that a state holds."""

STRAIGHT = {
    "statements": TEXT + "var z = true\n" + "z = s == s\n" * 60,
    "conditions": TEXT + "var z = 0\n" + "if s != s or s == s { z += 1 }\n" * 40,
    "one condition": TEXT + "var z = " + " and ".join(["s == s"] * 100),
    "one array": NESTED + "var z = [" + ", ".join(["len(unique(a))"] * 50) + "]",
    "one map": NESTED + "var z = {" + ", ".join(f"k{n}: sort(keys({{x: a}}))" for n in range(60)) + "}",
    "one sum": NESTED + "var z = " + " + ".join(["len(json_encode(x))"] * 2000),
    "texts": "var a = range(30000)\nvar z = [" + ", ".join(['len("${a}")'] * 60) + "]",
    "text of arrays": "var a = range(30000)\nvar z = " + " + ".join(['len("" + a)'] * 100),
    "longer text": TEXT + "var z = 0\n" + 'z = len(s + "")\n' * 300,
    "patterns": TEXT + "var z = 0\n" + 'z = regex_match(s, "(a|b|ab|ba)*(c|d)x")\n' * 60,
    "built-ins that fail": TEXT + "try { json_decode(s) } catch e { }\n" * 60,
    "built-ins of two that fail": TEXT + "try { starts_with(s, 1) } catch e { }\n" * 60,
    "copies": "var a = range(60000)\nvar b = a\n" + "a[0] = 1\nb = a\n" * 100,
    "returns": TEXT + "function f() { return s == s }\nvar z = [" + ", ".join(["f()"] * 60) + "]",
    "recursion": TEXT
    + "function f(n) { if n == 0 { return true } return f(n - 1) and s == s }\nvar z = f(60)",
    "errors": TEXT + 'try { fail("" + (s == s) + (s == s)) } catch e { }\n' * 40,
}


@pytest.mark.parametrize("name", STRAIGHT)
def test_straight_code_is_done_in_slices(name: str) -> None:
    machine = Machine.start(program(STRAIGHT[name]), {})
    advances, most, before = 0, 0, machine.instructions
    while not isinstance(outcome := machine.advance(), Finished):
        assert not isinstance(outcome, Failed | Asking), outcome
        most, before = max(most, machine.instructions - before), machine.instructions
        advances += 1
    assert advances > 2
    assert most < SLICE + MOST_AT_ONCE


@pytest.mark.parametrize("name", ["one condition", "returns", "errors"])
def test_a_run_is_stored_in_the_middle_of_straight_code(name: str) -> None:
    source = STRAIGHT[name] + "\nlog(1)"
    bound = program(source)
    machine, slices = Machine.start(bound, {}), 0
    while not isinstance(machine.advance(), Asking):
        slices += 1
        machine = Machine.resume(bound, json.loads(json.dumps(machine.state())))
    whole = run(bound)
    assert slices == whole.slices
    machine.answer(1, EffectResult())
    assert isinstance(machine.advance(), Finished)
    assert machine.instructions == whole.instructions


def test_a_call_with_very_many_variables_counts_for_the_slice() -> None:
    wide = "\n".join(f"var a{n} = {n}" for n in range(4000))
    source = f"function f(x) {{ if x {{ return 1 }}\n{wide} }}\nfor i in range(8000) {{ f(1) }}"
    narrow = source.replace(wide, "")
    assert run(source).slices > 2 * run(narrow).slices


def test_text_that_grows_is_one_text() -> None:
    done = run(
        'var s = "a"\nvar t = s\ns += "b"\nvar u = s\ns = s + "c"\ns = s + "é"\ns = s + 1\nreturn [s, t, u]'
    )
    assert done.result == ["abcé1", "a", "ab"]


def test_what_is_put_in_a_place_is_counted_as_it_is_stored() -> None:
    source = (
        'var m = {a: 1, b: "x"}\nvar l = [5, "t"]\n'
        'm.a = 99999 m.a += 1 m.b = "longer" m.c = 100 m["a"] -= 100001 m.b = "é" m.b = 7\n'
        'l += [7] l += ["u"] l += ["é"] l += [true] l += [[1]] '
        'l[0] = 100000 l[0] -= 1 l[1] = "text" l = append(l, "s") l = append(l, -3) l = append(l, 100000)\n'
        "log(1) return [m, l]"
    )
    done = run(source, restored=True)
    assert done.result == [
        {"a": -1, "b": 7, "c": 100},
        [99999, "text", 7, "u", "é", True, [1], "s", -3, 100000],
    ]
    overflow = run("var m = {a: 9223372036854775807}\nm.a += 1")
    assert overflow.error is not None and (overflow.error.kind, overflow.error.line) == ("value_error", 2)
