"""Plans of programs are the texts beside them; and what must never happen to whoever asks for one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codeai.dsl.check import check
from codeai.dsl.compile import compile_program
from codeai.dsl.plan import Plan, plan
from codeai.dsl.plan_entries import Leave, Shown
from codeai.dsl.plan_json import to_json
from codeai.dsl.plan_text import render
from tests.tree import ROOT

PLANS = ROOT / "tests" / "dsl" / "plans"
RELEASE = (PLANS / "release.cai").read_text(encoding="utf-8")


def planned(source: str, inputs: dict[str, Any] | None = None, permissions: tuple[str, ...] = ()) -> Plan:
    """The plan of a program, also with effects that this build refuses."""
    checked = check(source)
    assert {one.code for one in checked.errors} <= {"unavailable"}, checked.errors
    return plan(compile_program(checked), inputs or {}, permissions)


def text(source: str) -> str:
    return render(planned(source))


@pytest.mark.parametrize("name", [file.stem for file in sorted(PLANS.glob("*.cai"))])
def test_the_plan_of(name: str) -> None:
    source = (PLANS / f"{name}.cai").read_text(encoding="utf-8")
    assert text(source) == (PLANS / f"{name}.txt").read_text(encoding="utf-8")


def test_inputs_that_are_given_are_known() -> None:
    given = planned(RELEASE, {"service": "billing", "regions": []})
    assert given.missing == () and planned(RELEASE).missing == ("service",)
    assert "registry.local/billing:<stdout of line 12>" in render(given)
    assert "./switch.sh" not in render(given)


def test_a_program_that_asks_nothing_of_the_world() -> None:
    assert text("var a = 1") == "nothing is asked of the world\n"
    assert text("return 6 * 7") == "  1  return 42\n"
    assert text("") == "nothing is asked of the world\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("return 1 / 0", "division_by_zero: division by zero"),
        ("exec(timeout: 'soon') { a }", "value_error: exec: timeout: "),
        ("var a = {A: 1} exec(env: {CODEAI_X: 1}) { a }", "value_error: "),
        ("var a = []\nwhile true { a = [a, a] }", "limit: "),
        ("function f() { return f() }\nf()", "limit: functions call each other too deeply"),
        ("parallel for i in 3 { exec { a } }", "type_error: parallel for walks an array, not an integer"),
    ],
)
def test_what_must_fail_says_so_in_its_place(source: str, expected: str) -> None:
    checked = check(source)
    made = plan(compile_program(checked), {})
    assert made.fails
    assert f"would fail: {expected}" in render(made)


def test_what_only_may_fail_does_not() -> None:
    made = planned("var a = exec { a }\nreturn [json_decode(a), a[1], int(a) / 0]")
    assert not made.fails


def test_an_unknown_is_never_taken_for_a_value() -> None:
    """Each of these would be wrong in some run."""
    unknown = [
        "u == u",
        "u == null",
        "type(u.duration)",
        "default(j, 1)",
        "j or 1",
        "[u] == [1]",
        "u in [1]",
        "len(u)",
        "{a: u} == {}",
        "json_encode([u])",
        "sort([u])",
        "not j",
        "-j",
        "j[0]",
        "j.a",
        "slice(u, 0)",
        "merge({}, j)",
        "int(u)",
        "upper(u)",
        "bool(j)",
        "unique([1, u])",
        "u < 1",
        "append(j, 1)",
    ]
    for one in unknown:
        made = planned(f"var u = exec {{ a }}\nvar j = json_decode(u)\nreturn {one}")
        assert isinstance(made.entries[-1], Leave) and made.entries[-1].value is not None, one
        assert not made.entries[-1].value.known, one


def test_what_does_not_depend_on_an_unknown_is_known() -> None:
    known = {
        "type(u)": "exec",
        "u.exit_code": 0,
        "len([u, u])": 2,
        "keys({a: u})": ["a"],
        "{a: u, b: 2}.b": 2,
        "[u, 5][1]": 5,
        "[u] and 1": 1,
        "not [u]": False,
        "slice([u, 4], 1)": [4],
        "u and 3": 3,
        "default(null, 7)": 7,
    }
    for one, value in known.items():
        made = planned(f"var u = exec {{ a }}\nreturn {one}")
        assert made.entries[-1] == Leave(2, "return", Shown(value)), one


BUSY = "var u = exec { a }\n"
LONG = [
    "var i = 0\nwhile true { i += 1 }",
    "var i = 0\nwhile i < 100000 { exec { a $i } i += 1 }",
    BUSY + "parallel for i in range(100000) { if u == i { return 1 } }",
    BUSY
    + "parallel for a in range(99) { parallel for b in range(99) { parallel for c in range(99) { exec { a } } } }",
    BUSY + "var a = range(50000)\nfor i in range(100000) { if u in a { log('x') } }",
    "for i in range(1000) { exec { " + "echo a long line of a long command\n" * 2000 + " } }",
    "".join(f"function f{i}() {{ f{i + 1}() f{i + 1}() }}\n" for i in range(30))
    + "function f30() { exec { a } }\nf0()",
    BUSY
    + "".join(f"function f{i}() {{ if u == {i} {{ f{i + 1}() exec {{ a }} }} }}\n" for i in range(200))
    + "function f200() { }\nf0()",
    "function fib(n) { if n < 2 { return n } return fib(n - 1) + fib(n - 2) }\nreturn fib(60)",
]


@pytest.mark.parametrize("source", LONG, ids=range(len(LONG)))
def test_a_plan_that_gets_too_long_is_cut_and_says_so(source: str) -> None:
    made = planned(source)
    assert made.cut is not None
    assert f"the plan ends here: {made.cut}" in render(made)
    assert len(json.dumps(to_json(made))) < 4_000_000


SHORT = [
    BUSY + "while true { " * 40 + "exec { a } if u == 1 { break } " + "if u == 2 { break } } " * 40,
    BUSY + "if u == 0 { exec { a } }" + "".join(f" else if u == {i} {{ exec {{ b }} }}" for i in range(2000)),
    BUSY + "try { " * 80 + "exec { a }" + " } catch e { exec { b } }" * 80,
    BUSY + "var x = " + " + ".join(["u"] * 20000) + "\nexec { a $x }",
    BUSY + "var a = [u]\nfor i in range(12) { a += a }\nexec { b $a }",
    BUSY + "function f(n) { if u == n { return 0 } exec { a } return f(n + 1) }\nreturn f(0)",
    "while true { exec { a } sleep('1s') }",
    "while true { }",
]


@pytest.mark.parametrize("source", SHORT, ids=range(len(SHORT)))
def test_a_plan_is_as_long_as_its_program(source: str) -> None:
    made = planned(source)
    assert made.cut is None
    assert len(render(made).splitlines()) < 10 * len(source)


def test_the_json_has_the_tree_with_stable_names() -> None:
    made = to_json(
        planned("var u = exec(retry: 1) { a }\nif u == 1 { exec { b $u } undo { c } }", permissions=("p",))
    )
    assert made == {
        "missing_inputs": [],
        "entries": [
            {
                "kind": "exec",
                "line": 1,
                "calls": [],
                "text": "a",
                "variables": {},
                "options": {"retry": {"value": 1, "known": True}},
                "undo": None,
            },
            {
                "kind": "if",
                "line": 2,
                "arms": [
                    {
                        "when": "<stdout of line 1 == 1>",
                        "entries": [
                            {
                                "kind": "exec",
                                "line": 2,
                                "calls": [],
                                "text": "b $u",
                                "variables": {"u": {"value": "<stdout of line 1>", "known": False}},
                                "options": {},
                                "undo": {"line": 2, "text": "c", "variables": {}, "options": {}},
                            }
                        ],
                    }
                ],
            },
        ],
        "fails": False,
        "undo": [{"line": 2, "text": "c", "variables": {}}],
        "needs": {"permissions": ["p"], "secrets": [], "queues": [], "configs": [], "approvals": []},
        "cut": None,
    }
