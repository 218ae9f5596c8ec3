"""The TextMate grammar of editors says what the tables say, and colours programs by it."""

from __future__ import annotations

import json
import re

import pytest

from codeai.dsl.lexer import KEYWORDS as EVERY_KEYWORD
from codeai.dsl.parser import parse
from tests.dsl.programs import EVERY_FORM
from tests.reference.grammar import FILE, KEYWORDS, SHELL, grammar
from tests.reference.textmate import TextMate
from tests.tree import ROOT

EDITOR = TextMate(grammar())


def test_the_file_is_what_the_tables_say() -> None:
    assert FILE.read_text(encoding="utf-8") == grammar(), "run: make reference"


def test_the_extension_names_files_that_are_there() -> None:
    package = json.loads((FILE.parent / "package.json").read_text(encoding="utf-8"))
    contributed = package["contributes"]
    (language,), (colours,) = contributed["languages"], contributed["grammars"]
    for name in (package["main"], language["configuration"], colours["path"]):
        assert (FILE.parent / name).exists(), name
    assert colours["scopeName"] == EDITOR.grammar["scopeName"]
    assert list(colours["embeddedLanguages"]) == [SHELL]
    assert json.loads((FILE.parent / language["configuration"]).read_text(encoding="utf-8"))


def test_every_keyword_has_its_scope() -> None:
    words = [word for words in KEYWORDS.values() for word in words]
    assert sorted(words) == sorted(EVERY_KEYWORD)
    for scope, words_of_scope in KEYWORDS.items():
        for word in words_of_scope:
            assert EDITOR.tokens(word) == [(word, (scope,))]


def test_every_regular_expression_can_be_read() -> None:
    assert all(re.compile(re.sub(r"\\[1-9]", "", one)) for one in EDITOR.patterns())


def coloured(source: str) -> list[tuple[str, str]]:
    """The pieces with their innermost scope, without the name of the language at its end."""
    return [
        (text, scopes[-1].removesuffix(".cai") if scopes else "") for text, scopes in EDITOR.tokens(source)
    ]


@pytest.mark.parametrize(
    ("source", "pieces"),
    [
        ("var a = 1  # one", [("var", "storage.type"), ("a", "variable.other.declaration")]),
        ("var a = 1  # one", [("1", "constant.numeric"), ("# one", "comment.line.number-sign")]),
        ("a.if = {if: 2.5e3}", [("if", "variable.other.member"), ("if", "variable.parameter")]),
        ("function tag(v) { }", [("function", "storage.type.function"), ("tag", "entity.name.function")]),
        ("log(len(tag(1)))", [("log", "support.function.effect"), ("len", "support.function.builtin")]),
        ("log(len(tag(1)))", [("tag", "entity.name.function.call")]),
        ("x = not true and y", [("not", "keyword.operator.word"), ("true", "constant.language")]),
        (
            r'"a\n\q${b + "c"}d"',
            [
                ("\\n", "constant.character.escape"),
                ("\\q", "invalid.illegal.escape"),
                ("b", "variable.other"),
                ("+", "keyword.operator"),
                ("c", "string.quoted.double"),
                ("d", "string.quoted.double"),
            ],
        ),
        (r"'a\n${b}'", [(r"a\n${b}", "string.quoted.single")]),
        ('"${ {a: 1}.a }b"', [("a", "variable.other.member"), ("b", "string.quoted.double")]),
        (
            'exec(check: false) { curl "}" }.stdout',
            [
                ("exec", "keyword.control.exec"),
                ("check", "variable.parameter"),
                ("stdout", "variable.other.member"),
            ],
        ),
        (
            "exec { a } undo(when: 'x') { b }",
            [("undo", "keyword.control.exec"), ("when", "variable.parameter")],
        ),
        ("exec\n{\n    a {b,c} '}'\n}\nreturn 1", [("return", "keyword.control")]),
        ("exec {\n  cat <<E\n  it's }\n  E\n}\nreturn 1", [("it's }", "string.unquoted.heredoc.shell")]),
        ("exec {\n  cat <<E\n  it's }\n  E\n}\nreturn 1", [("return", "keyword.control")]),
        ("exec {\n  a # it's }\n}\nreturn 1", [("return", "keyword.control")]),
        ("exec {\n  x=$((1 << 2))\n}\nreturn 1", [("2", "constant.numeric"), ("return", "keyword.control")]),
        ("{exec: 1}.exec", [("exec", "variable.parameter"), ("exec", "variable.other.member")]),
    ],
)
def test_a_piece_has_its_colour(source: str, pieces: list[tuple[str, str]]) -> None:
    found = [(text.strip(), scope) for text, scope in coloured(source)]
    for piece in pieces:
        assert piece in found
        del found[: found.index(piece) + 1]


PROGRAMS = [EVERY_FORM, *(path.read_text("utf-8") for path in sorted((ROOT / "examples").rglob("*.cai")))]


@pytest.mark.parametrize("source", PROGRAMS)
def test_a_command_begins_and_ends_where_the_lexer_says(source: str) -> None:
    bodies = [source[start + 1 : end - 1] for kind, _, start, end in parse(source).tokens if kind == "SHELL"]
    shown = "".join(text for text, scopes in EDITOR.tokens(source) if SHELL in scopes)
    assert "".join(shown.split()) == "".join("".join(bodies).split())
