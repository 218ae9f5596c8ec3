"""The canonical layout: what it looks like, that it is stable, that it keeps tree and comments."""

from __future__ import annotations

import random

import pytest

from codeai.dsl.format import format_source
from codeai.dsl.lexer import comments
from codeai.dsl.parser import Parsed, parse
from codeai.dsl.tree_walk import equal
from tests.dsl.programs import EVERY_FORM, SMALL, shaken


def layout(source: str) -> str:
    text = format_source(source).text
    assert text is not None
    return text


@pytest.mark.parametrize(
    ("source", "canonical"),
    [
        ("", ""),
        ("\n\n# a\n\n\n\n# b", "# a\n\n# b\n"),
        ("var   a=1;var b = - - a ;", "var a = 1\nvar b = --a\n"),
        ("return;f()", "return;\nf()\n"),
        ("if a{return;}", "if a { return }\n"),
        (
            "if a{b=1 c=2}else if not(d){}else{\n}",
            "if a {\n    b = 1\n    c = 2\n} else if not (d) { } else { }\n",
        ),
        ("function f( a,b , ){return a [ 0 ] . b}", "function f(a, b) { return a[0].b }\n"),
        ("f(a,\nb)", "f(\n    a,\n    b,\n)\n"),
        ("var m={a:1,'b':[ ]}", "var m = {a: 1, 'b': []}\n"),
        ("var m={\na:1,b:{c:2}}", "var m = {\n    a: 1,\n    b: {c: 2},\n}\n"),
        ("var a=[1,2, # two\n3]", "var a = [\n    1,\n    2,  # two\n    3,\n]\n"),
        ("var a=b and\nc\nor d", "var a = b and\n    c\n    or d\n"),
        ("var a\n=\n1", "var a = 1\n"),
        ("exec {\n  ls\n  cat <<E }", "exec {\n    ls\n    cat <<E }\n"),
        ("exec {\n  ls\n  cat <<E\n  E\n }", "exec {\n    ls\n    cat <<E\n    E\n}\n"),
        ("var a = 1\n.b + 2 . c", "var a = 1 .b + 2 .c\n"),
        ('var a="${b+1}\n  c"', 'var a = "${b + 1}\n  c"\n'),
        (
            "exec(timeout:1){a}undo{b}\nvar c=exec{ d }.stdout",
            "exec(timeout: 1) { a } undo { b }\nvar c = exec { d }.stdout\n",
        ),
        (
            "if a {\nexec {\n  cat <<E\n    x\n\n  E\n}\n}",
            "if a {\n    exec {\n        cat <<E\n          x\n\n        E\n    }\n}\n",
        ),
        ("# a\n\nif a { # b\n# c\n\n} # d", "# a\n\nif a {  # b\n    # c\n}  # d\n"),
        ("try{f()}catch e{g()}", "try { f() } catch e { g() }\n"),
        ("parallel( limit:2 )for x in[1]{}", "parallel(limit: 2) for x in [1] { }\n"),
        ("while a{if b{break}\n\n\ncontinue}", "while a {\n    if b { break }\n\n    continue\n}\n"),
    ],
)
def test_the_layout(source: str, canonical: str) -> None:
    assert layout(source) == canonical
    assert layout(canonical) == canonical


def test_a_program_with_errors_has_no_layout_but_diagnostics() -> None:
    formatted = format_source("var a = )")
    assert formatted.text is None
    assert [one.code for one in formatted.diagnostics] == ["syntax"]


@pytest.mark.parametrize("source", [EVERY_FORM, *SMALL])
def test_whatever_the_layout_was_tree_and_comments_stay_and_twice_is_once(source: str) -> None:
    chance = random.Random(source)
    for rate in (0.0, 0.02, 0.1, 0.4):
        for _ in range(4):
            text = shaken(source, chance, rate)
            before, once = parse(text), layout(text)
            after = parse(once)
            assert before.tree is not None and after.tree is not None
            assert equal(before.tree, after.tree), text
            assert sorted(_comments(before)) == sorted(_comments(after)), text
            assert layout(once) == once, text


def _comments(parsed: Parsed) -> list[str]:
    found, at = [], 0
    for _, _, start, end in parsed.tokens:
        found += [text for text, _ in comments(parsed.source.text, at, start)]
        at = end
    return found


PIECES = (
    *(
        " ",
        "\t",
        "\n",
        "\n    ",
        "\\",
        "\\\n",
        "a",
        "echo b",
        '"x\n  y"',
        "# c\n",
        "cat <<E\n x\n E\n",
        "\r",
        ";",
    ),
    *("cat <<-E\n\tx\n\tE\n", "{ a; }", "$(b\n c)", "`d`", "${x}", "<<''\n\n", "\u2028"),
)


def test_a_shell_body_keeps_its_text_whatever_white_space_is_in_it() -> None:
    chance = random.Random(7)
    formatted = 0
    for _ in range(3000):
        body = "".join(chance.choice(PIECES) for _ in range(chance.randrange(10)))
        before = parse("if a {\n  exec {" + body + "}\n}\n")
        once = format_source(before.source.text).text
        if once is None:
            continue
        formatted += 1
        after = parse(once)
        assert before.tree is not None and after.tree is not None
        assert equal(before.tree, after.tree), body
        assert layout(once) == once, body
    assert formatted > 1500
