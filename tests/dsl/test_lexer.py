"""What single tokens mean: names, numbers, strings and the characters that no token has."""

from __future__ import annotations

import pytest

from codeai.dsl import tree
from codeai.dsl.parser import parse, parse_expression


def value(text: str) -> object:
    """The value of a literal."""
    parsed = parse_expression(text)
    assert parsed.diagnostics == ()
    node = parsed.tree
    assert isinstance(node, tree.NumberLiteral | tree.StringLiteral | tree.BoolLiteral)
    return node.value


def messages(text: str) -> list[tuple[int, int, str, str]]:
    return [(one.line, one.column, one.message, one.hint) for one in parse(text).diagnostics]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("42", 42),
        ("0", 0),
        ("3.14", 3.14),
        ("1e6", 1e6),
        ("2.5E-3", 0.0025),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("- 9223372036854775808", -(2**63)),
        (r'"\n\t\r\"\\\$\u{1F680}"', '\n\t\r"\\$\U0001f680'),
        ('"$a $"', "$a $"),
        (r"'\n${a}\'", "\\n${a}\\"),
        ("'a\r\nb'", "a\nb"),
    ],
)
def test_literals(text: str, meant: object) -> None:
    got = value(text)
    assert (got, type(got)) == (meant, type(meant))


@pytest.mark.parametrize("text", ["007", "1.", "1..2", "5x", "5_000", "1.5.2", "0x10", "1e", "5.foo", "00"])
def test_no_numbers(text: str) -> None:
    ((line, column, message, _),) = messages(f"return {text}")
    assert (line, column, message) == (1, 8, f"`{text}` is no number")


@pytest.mark.parametrize(
    "text", ["9223372036854775808", "-(9223372036854775808)", "1 - 9223372036854775808", "1e999", "9" * 5000]
)
def test_numbers_that_are_too_large(text: str) -> None:
    assert [one.code for one in parse(f"return {text}").diagnostics] == ["number_too_large"]


@pytest.mark.parametrize(
    "escape", [r"\q", r"\u{0}", r"\u{110000}", r"\u{D800}", r"\u{}", r"\x41", r"\u0041", "\\\n"]
)
def test_escapes_that_no_string_has(escape: str) -> None:
    parsed = parse(f'return "a{escape}b"')
    assert [(one.code, one.column) for one in parsed.diagnostics] == [("bad_escape", 10)]


def test_keywords_are_names_after_a_dot_before_a_colon_and_as_keys() -> None:
    assert messages("var m = {if: 1, exec # c\n : 2} return [m.if, m.exec, m . return, f(in: 1)]") == []


@pytest.mark.parametrize(
    ("text", "found", "hint"),
    [
        ("return a && b", "found `&&`, which no program has outside strings", "write `and`"),
        ("return a || b", "found `||`, which no program has outside strings", "write `or`"),
        ("return !b", "found `!`, which no program has outside strings", "write `not`"),
        (
            "return $b",
            "found `$`, which no program has outside strings",
            "a variable is written without `$`; in a string it is `${name}`",
        ),
        (
            "return\u00a01",
            "found U+00A0 NO-BREAK SPACE, which no program has outside strings",
            "write an ordinary blank",
        ),
        ("return häuser", "a name has only the letters a to z, digits and `_`, not `ä`", ""),
    ],
)
def test_what_was_meant_is_said_once(text: str, found: str, hint: str) -> None:
    assert [(message, given) for _, _, message, given in messages(text)] == [(found, hint)]


def test_bidirectional_controls_are_errors_in_code_and_warnings_in_texts() -> None:
    text = "var a = '\u2066'\n# \u202e\nvar b = exec { \u200f }\nvar\u2069 c = \"${\u061c a}\""
    found = [(one.code, one.line) for one in parse(text).diagnostics]
    assert found == [("bidi_text", 1), ("bidi_code", 2), ("bidi_text", 3), ("bidi_code", 4), ("bidi_code", 4)]


def test_a_byte_order_mark_and_carriage_returns_do_not_matter() -> None:
    parsed = parse("\ufeffvar a = 1 # c\r\nreturn a\r\n".encode())
    assert parsed.diagnostics == ()
    assert parsed.source.text == "var a = 1 # c\nreturn a\n"


@pytest.mark.parametrize(
    ("source", "code", "place"),
    [
        (b"return 1\n\xff", "not_utf8", (2, 1)),
        (b"var a = '\xc3'", "not_utf8", (1, 10)),
        (b"var a = '\0'", "nul", (1, 10)),
        ("var a = '\udc80'", "not_utf8", (1, 10)),
        (b"#" * (2**20 + 1), "too_large", (1, 1)),
    ],
)
def test_what_is_no_text_is_not_read_on(source: bytes | str, code: str, place: tuple[int, int]) -> None:
    (one,) = parse(source).diagnostics
    assert (one.code, (one.line, one.column)) == (code, place)


def test_a_file_of_just_the_limit_is_read() -> None:
    assert parse(b"#" * 2**20).diagnostics == ()
