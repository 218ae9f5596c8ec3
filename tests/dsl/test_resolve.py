"""Names: which variable each means, and what the checker says about them."""

from __future__ import annotations

import pytest

from codeai.dsl import tree
from codeai.dsl.check import check
from codeai.dsl.tree_walk import walk

CASES = [
    ("return nowhere", "unknown_name", ""),
    ('var region = "eu"\nreturn regoin', "unknown_name", 'did you mean "region"?'),
    ("function f() { return 1 }\nreturn f", "unknown_name", "f is a function: call it, as in f(...)"),
    ("var a = b\nvar b = 1", "later_name", ""),
    ("var a = a", "later_name", ""),
    ("param a = b\nparam b = 1", "later_name", ""),
    ("if true { var x = 1 }\nreturn x", "unknown_name", ""),
    ("try { log(1) } catch e { }\nreturn e", "unknown_name", ""),
    ("x = 1", "unknown_name", ""),
    ("return uper(1)", "unknown_function", 'did you mean "upper"?'),
    ('print("x")', "unknown_function", 'did you mean "log"?'),
    ("return None", "unknown_name", 'did you mean "null"?'),
    ("return True", "unknown_name", 'did you mean "true"?'),
    ("return length", "unknown_name", ""),
    ("var a = 1\nvar a = 2", "redeclared", ""),
    ("for i in [1] { var i = 2 }", "redeclared", ""),
    ("function f(a, a) { return a }", "redeclared", ""),
    ("function f() { }\nfunction f() { }", "function_twice", ""),
    ("function sleep() { }", "builtin_name", ""),
    ("var n = 1\nfunction f() { n = 2 }", "function_assigns", ""),
    ("var n = [1]\nfunction f() { n[0] = 2 }", "function_assigns", ""),
    ("var n = 1\nparallel for x in [1] { n += x }", "parallel_assigns", ""),
    ("parallel for x in [1] { parallel for y in [1] { x = y } }", "parallel_assigns", ""),
    ("break", "no_loop", ""),
    ("function f() { continue }", "no_loop", ""),
    ("for i in [1] { parallel for x in [1] { break } }", "parallel_break", ""),
    ("var a = 1\nif a == 1 { var a = 2 }", "hides", ""),
    ("function f() { var a = 1 }", "unused", ""),
    ("function f(a) { return a }\nreturn f()", "wrong_arguments", ""),
    ("function f(a) { return a }\nreturn f(1, 2)", "wrong_arguments", ""),
    ("function f(a) { return a }\nreturn f(b: 1)", "unknown_argument", ""),
]


@pytest.mark.parametrize(("source", "code", "hint"), CASES, ids=[case[0] for case in CASES])
def test_what_is_said(source: str, code: str, hint: str) -> None:
    found = check(source).diagnostics
    assert [one.code for one in found] == [code]
    assert found[0].hint == hint


CLEAN = [
    "if true { var x = 1 }\nif true { var x = 2 }",
    "var x = f(2)\nfunction f(n) { return n + 1 }\nreturn x",
    "function f() { return top }\nvar top = 1\nreturn f()",
    "function f(a) { a += 1 return a }\nreturn f(1)",
    "function f() { var _ = 1 }",
    "function f() { var used = 1 exec { echo $used } }",
    "parallel for x in [1] { var y = x y += 1 continue }",
    "for i in [1] { try { break } catch e { continue } }",
    "parallel for x in [1] { for y in [1] { break } }",
    "var a = 1\nfunction a() { return 2 }\nreturn a + a()",
    "function f(a, b) { return a + b }\nreturn f(b: 1, a: 2)",
]


@pytest.mark.parametrize("source", CLEAN)
def test_what_is_fine(source: str) -> None:
    assert check(source).diagnostics == ()


def test_blocks_beside_each_other_use_the_same_places() -> None:
    resolution = check("var a = 1\nif a { var b = 1 var c = 2 } else { var d = 3 }\nvar e = 4").resolution
    assert resolution is not None
    assert {one.name: one.slot for one in resolution.variables.values()} == {
        "a": 0,
        "b": 1,
        "c": 2,
        "d": 1,
        "e": 1,
    }
    assert resolution.frame == 3


def test_a_shell_text_mentions_visible_variables_by_word() -> None:
    checked = check(
        'var a = 1\nvar b = 2\nvar region = "x"\nif a == 1 { var c = 3 log(c) }\n'
        'exec { echo "$b" ENVIRON["region"] abc a-b ${regions} c }'
    )
    assert checked.tree is not None and checked.resolution is not None
    (node,) = (one for one in walk(checked.tree) if isinstance(one, tree.Exec))
    assert [one.name for one in checked.resolution.mentions[node]] == ["b", "region", "a"]


def test_a_hundred_thousand_operators_are_no_depth() -> None:
    assert not check("var a = 1\nreturn " + "a." + "b." * 50_000 + "c").errors
    assert not check("var a = 1\nif a == 0 { }" + " else if a == 1 { }" * 20_000).errors
