"""Programs to trees; mistakes to one message each, at their place, with nothing that merely follows from them."""

from __future__ import annotations

import random

import pytest

from codeai.dsl.parser import parse, parse_expression
from codeai.dsl.tree_walk import print_tree, walk
from tests.dsl.programs import EVERY_FORM, SMALL


def shape(text: str) -> str:
    """An expression with all its brackets."""
    parsed = parse_expression(text)
    assert parsed.tree is not None, parsed.diagnostics
    return _shape(parsed.tree)


def _shape(node: object) -> str:
    fields = {name: getattr(node, name) for name in node.fields}  # type: ignore[attr-defined]
    if "operator" in fields and "left" in fields:
        return f"({_shape(fields['left'])} {fields['operator']} {_shape(fields['right'])})"
    if "operator" in fields:
        return f"({fields['operator']} {_shape(fields['operand'])})"
    if "index" in fields:
        return f"{_shape(fields['subject'])}[{_shape(fields['index'])}]"
    if "subject" in fields:
        return f"{_shape(fields['subject'])}.{fields['name'].name}"
    return str(fields.get("name", fields.get("value")))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1 + 2 * 3 - 4", "((1 + (2 * 3)) - 4)"),
        ("not a == b and c or d", "(((not (a == b)) and c) or d)"),
        ("a or b and not not c", "(a or (b and (not (not c))))"),
        ("- a.b[1] * - - c", "((- a.b[1]) * (- (- c)))"),
        ("not 1 in a", "(not (1 in a))"),
        ("(1 + 2) * 3", "((1 + 2) * 3)"),
        ("a\n-\nb\n[c]", "(a - b[c])"),
    ],
)
def test_precedence(text: str, meant: str) -> None:
    assert shape(text) == meant


def test_a_tree_in_print() -> None:
    parsed = parse(
        'param a\nif a == 1 { exec(retry: 2) { echo "$a" } undo { true } } else { a.b += "x${a}" }'
    )
    assert parsed.diagnostics == ()
    assert parsed.tree is not None
    assert print_tree(parsed.tree) == (
        "Program\n"
        "  params[0]: Param\n"
        "    name: Identifier 'a'\n"
        "  body[0]: If\n"
        "    condition: Binary '=='\n"
        "      left: Identifier 'a'\n"
        "      right: NumberLiteral 1\n"
        "    then: Block\n"
        "      body[0]: Exec 'echo \"$a\"'\n"
        "        options[0]: Option\n"
        "          name: Identifier 'retry'\n"
        "          value: NumberLiteral 2\n"
        "        undo: Undo 'true'\n"
        "    orelse: Block\n"
        "      body[0]: Assignment '+='\n"
        "        target: Member\n"
        "          subject: Identifier 'a'\n"
        "          name: Identifier 'b'\n"
        "        value: Template\n"
        "          parts[0]: StringLiteral 'x'\n"
        "          parts[1]: Identifier 'a'\n"
    )


@pytest.mark.parametrize("source", [EVERY_FORM, *SMALL])
def test_valid_programs_have_no_errors_and_spans_that_hold_what_is_in_them(source: str) -> None:
    parsed = parse(source)
    assert parsed.diagnostics == ()
    assert parsed.lost is None
    assert parsed.tree is not None
    for node in walk(parsed.tree):
        assert 0 <= node.start <= node.end <= len(parsed.source.text)
        if node.node_type == "Identifier":
            assert parsed.source.text[node.start : node.end] == node.name  # type: ignore[attr-defined]


def test_an_expression_by_itself() -> None:
    assert parse_expression("1 2").tree is None
    assert parse_expression("").tree is None
    assert parse_expression("var a = 1").tree is None
    assert parse_expression("[1, {a: 2}]").tree is not None


MISTAKES = {
    "var q = )": "found `)`, expected an expression",
    "var q = [1, 2": "this `[` is never closed",
    "var q = (1 + 2": "this `(` is never closed",
    'log("x"': "this `(` is never closed",
    "var q = a[1": "this `[` is never closed",
    "foo bar": "found the name `bar`, expected `=` or `(`",
    'if == 3 { log("x") }': "found `==`, expected an expression",
    "x = 1 +": "found `var` on line 4, expected an expression",
    'log("a" "b")': "found a string, expected an operator, `,` or `)`",
    "var 5 = 3": "found the number `5`, expected a name",
    "var while = 3": "found `while`, expected a name",
    "for x y in z { log(x) }": "found the name `y`, expected `,` or `in`",
    "return 2 not in l": "found `not`, expected an operator or a statement",
    "a.b()": "found `(`, expected `=`",
    "var q = a.b()": "found `(`, expected an operator or a statement",
    "var q = {a: 1, 2}": "found the number `2`, expected a name, a string or `}`",
    "else { a = 1 }": "found `else`, expected an operator or a statement",
    "x = f(1,, 2)": "found `,`, expected an expression or `)`",
    "while { x = 1 }": "found `=`, expected `:`",
    'var q = "${}"': "found `}`, expected an expression",
    "if a { x = = 2 }": "found `=`, expected an expression",
    "try { x = 1 }": "found `var` on line 4, expected `catch`",
    "q = a ? b : c": "found `?`, which no program has outside strings",
    "var q == 1": "found `==`, expected `=`",
    "function (a) { return a }": "found `(`, expected a name",
    "function f { return 1 }": "found `{`, expected `(`",
    "undo { echo }": "found `undo`, expected an operator or a statement",
    'parallel { log("x") }': "found `{`, expected `(` or `for`",
    "x = 1 < 2 < 3": "comparisons do not chain: found a second `<`",
    "i++": "found `+`, expected `=` or `(`",
    "var q = 5x": "`5x` is no number",
    'var q = "\\q"': "a string has no escape `\\q`",
    "elif x { }": "found the name `x`, expected `=` or `(`",
    "1 + 2": "found the number `1`, expected an operator or a statement",
    'if f(a { log("x") }': "found `{`, expected an operator, `,`, `:` or `)`",
    "if (a { x = 2 }": "found `{`, expected `)`",
    "x = exec(timeout: 1 { echo hi }": "found a shell body, expected an operator, `,` or `)`",
    "x = exec(timeout: 1": "this `(` is never closed",
    "exec(timeout: 1) x = 2": "found the name `x`, expected a shell body `{ … }`",
    "f() = 2": "found `=`, expected a statement",
    "var q = 1 @ 2": "found `@`, which no program has outside strings",
}
BEFORE = "var first = 1\nvar second = [first, 2]\n"
AFTER = '\nvar third = {a: second}\nif third { log("x") } else { exec { true } }\n'


@pytest.mark.parametrize(("mistake", "message"), MISTAKES.items())
def test_a_mistake_is_reported_once_and_on_its_line(mistake: str, message: str) -> None:
    found = [(one.line, one.message) for one in parse(BEFORE + mistake + AFTER).diagnostics]
    assert found == [(3, message)]


def test_mistakes_do_not_hide_each_other() -> None:
    """Several at random places, at the top level and inside functions: each found, none invented."""
    body = "function f{0}(a, b) {{\n    var c = a + b\n    if c == 1 {{\n        log(c)\n    }}\n    return c\n}}\n"
    chance = random.Random(1)
    for _ in range(150):
        lines = "".join(body.format(number) for number in range(8)).split("\n")
        places = sorted(chance.sample([at for at, line in enumerate(lines) if line.startswith("    var")], 4))
        for place in reversed(places):
            lines.insert(place, chance.choice(list(MISTAKES)))
        wanted = [place + added + 1 for added, place in enumerate(places)]
        assert [one.line for one in parse("\n".join(lines)).diagnostics] == wanted, "\n".join(lines)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('var b = "open\nreturn b', [(1, 9, "this string is never closed")]),
        ("var b = 'open\nreturn b", [(1, 9, "this string is never closed")]),
        ('var b = "open ${b\nreturn b', [(1, 9, "this string is never closed")]),
        ('exec { echo "open }\nreturn b', [(1, 6, "this shell body is never closed")]),
        ("exec { cat <<EOF\n}\n", [(1, 6, "this shell body is never closed")]),
        ("if a {\n  b = 1\n", [(1, 6, "this `{` is never closed")]),
        ("if a {\n  b = 1 }\n}", [(3, 1, "found `}`, expected a statement")]),
        ("var a =", [(1, 8, "found the end of the file, expected an expression")]),
        ("}", [(1, 1, "found `}`, expected a statement")]),
        (
            "var a = ) var b = 1\nvar c = ]",
            [(1, 9, "found `)`, expected an expression")] * 1 + [(2, 9, "found `]`, expected an expression")],
        ),
    ],
)
def test_the_place_of_what_is_open(source: str, found: list[tuple[int, int, str]]) -> None:
    assert [(one.line, one.column, one.message) for one in parse(source).diagnostics] == found


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("var a = 1 if a = 1 { }", "to compare is `==`"),
        ("var a = 'x'.upper()", "values have no methods: write `upper(…)`"),
        ("let a = 1", "a variable is declared with `var`"),
        ("if a { } elif b { }", "write `else if`"),
        ("i++", "write `+= 1`"),
        ("// done", "a comment begins with `#`"),
        ("/* done */", "a comment begins with `#`"),
        (
            "exec { echo } ; echo more }",
            "the shell body ended at the `}` before it: a single brace in it must be quoted",
        ),
        ("var a = f('x\ny' z)", "the string before it has more than one line: is a quote missing?"),
    ],
)
def test_hints_say_what_was_meant(source: str, hint: str) -> None:
    assert parse(source).diagnostics[0].hint == hint


def test_an_open_shell_body_says_what_is_open_in_it() -> None:
    (one,) = parse("exec {\n    echo 'it\n}\n").diagnostics
    assert one.hint == "the `'` on line 2, column 10 is open to the end of the file"


def test_no_more_than_fifty_errors_are_reported() -> None:
    assert len(parse("var a = )\n" * 200).diagnostics) == 50
    assert len(parse("@ " * 200).diagnostics) == 50


@pytest.mark.parametrize("opening", ["(", "[", "{a: ", '"${', "f(", "a["])
def test_nesting_ends_at_a_hundred_levels(opening: str) -> None:
    closing = {"(": ")", "[": "]", "{a: ": "}", '"${': '}"', "f(": ")", "a[": "]"}[opening]
    assert parse(f"return {opening * 100}1{closing * 100}").diagnostics == ()
    assert [one.code for one in parse(f"return {opening * 101}1{closing * 101}").diagnostics] == ["too_deep"]


@pytest.mark.parametrize(
    "source",
    [
        "return " + "1 + " * 100_000 + "1",
        "return " + "not " * 100_000 + "true",
        "return " + "-" * 100_000 + "1",
        "var a = {} return a" + ".b" * 100_000,
        "var a = {} return a" + "[0]" * 100_000,
        "var a = 1 if a { }" + " else if a { }" * 50_000,
        "var a = 1 " + "if a { } " * 50_000,
    ],
    ids=["sum", "not", "minus", "member", "index", "else if", "if"],
)
def test_chains_may_be_long(source: str) -> None:
    assert parse(source).diagnostics == ()
