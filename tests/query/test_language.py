"""Text to checked trees: every form and operator, and what is refused, with its caret."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from codeai.dsl.query.diagnostics import BadQuery
from codeai.dsl.query.operators import OPERATORS, Operator
from codeai.dsl.query.tree import Assignments, Compared, Condition, Junction, Not, Plain, Selection, Summary
from tests.query.shapes import checked, condition

NAME, LINE = Compared("name", Operator.EQUAL, ("a",)), Compared("line", Operator.GREATER, (1,))
ID = "0190a8f0-3f5c-7cc0-8e7d-4f5a8b9c0d1e"


def held(column: str, operator: Operator, *values: Plain) -> Compared:
    return Compared(column, operator, values)


FORMS: dict[str, object] = {
    "SELECT id, name FROM things WHERE name = a ORDER BY at DESC": Selection(
        ("id", "name"), NAME, (("at", True),)
    ),
    "select name from things order by name asc, line desc limit 5 offset 2": Selection(
        ("name",), None, (("name", False), ("line", True)), 5, 2
    ),
    "SELECT offset FROM things WHERE offset > 3 ORDER BY offset OFFSET 3": Selection(
        ("offset",), held("offset", Operator.GREATER, 3), (("offset", False),), None, 3
    ),
    "COUNT FROM things": Summary("COUNT", None, None),
    "COUNT FROM things WHERE name = a": Summary("COUNT", None, NAME),
    "COUNT(*) FROM things": Summary("COUNT", None, None),
    "SELECT COUNT(name) FROM things": Summary("COUNT", "name", None),
    "SUM(line) FROM things WHERE name = a": Summary("SUM", "line", NAME),
    "AVG(share) FROM things": Summary("AVG", "share", None),
    "MIN(at) FROM things": Summary("MIN", "at", None),
    "max(name) from things": Summary("MAX", "name", None),
    "UPDATE things SET policy = fail WHERE name = a": Assignments((("policy", "fail"),), NAME),
    "UPDATE things SET key = null, share = 2 WHERE line > 1": Assignments(
        (("key", None), ("share", 2.0)), LINE
    ),
}


@pytest.mark.parametrize("text", FORMS)
def test_every_form_is_read(text: str) -> None:
    assert checked(text) == FORMS[text]


CONDITIONS: dict[str, Condition | None] = {
    "": None,
    "  ": None,
    "name:a": NAME,
    "name:a line:>1": Junction(True, (NAME, LINE)),
    "name = a AND line > 1": Junction(True, (NAME, LINE)),
    "name = a or line > 1": Junction(False, (NAME, LINE)),
    "name = a OR line > 1 AND name = a": Junction(False, (NAME, Junction(True, (LINE, NAME)))),
    "(name = a OR line > 1) AND name = a": Junction(True, (Junction(False, (NAME, LINE)), NAME)),
    "NOT name:a line:>1": Junction(True, (Not(NAME), LINE)),
    "NOT NOT name:a": NAME,
    "name:~john": held("name", Operator.HAS, "john"),
    "name:'it''s \"x\"'": held("name", Operator.EQUAL, 'it\'s "x"'),
    'name = "say ""a"""': held("name", Operator.EQUAL, 'say "a"'),
    "name = order.paid": held("name", Operator.EQUAL, "order.paid"),
    "name = select": held("name", Operator.EQUAL, "select"),
    "name = größe-2": held("name", Operator.EQUAL, "größe-2"),
    "name LIKE rel%": held("name", Operator.LIKE, "rel%"),
    "name ILIKE 'a\\%'": held("name", Operator.ILIKE, "a\\%"),
    "name NOT LIKE a": Not(held("name", Operator.LIKE, "a")),
    "name CONTAINS b": held("name", Operator.CONTAINS, "b"),
    "tags CONTAINS b": held("tags", Operator.CONTAINS, "b"),
    "name startswith b": held("name", Operator.STARTSWITH, "b"),
    "name ENDSWITH b": held("name", Operator.ENDSWITH, "b"),
    "name IN (a, 'b')": held("name", Operator.IN, "a", "b"),
    "line NOT IN (1, -2)": Not(held("line", Operator.IN, 1, -2)),
    "line IS NULL": held("line", Operator.IS_NULL),
    "line is not null": Not(held("line", Operator.IS_NULL)),
    "line:null": held("line", Operator.IS_NULL),
    "line:!=null": Not(held("line", Operator.IS_NULL)),
    "line BETWEEN 1 AND 3 AND name = a": Junction(True, (held("line", Operator.BETWEEN, 1, 3), NAME)),
    "line NOT BETWEEN 1 AND 3": Not(held("line", Operator.BETWEEN, 1, 3)),
    "line != 1": held("line", Operator.NOT_EQUAL, 1),
    "line <> 1": held("line", Operator.NOT_EQUAL, 1),
    "share = 1e3": held("share", Operator.EQUAL, 1000.0),
    "mask:true": held("mask", Operator.EQUAL, True),
    f"id:{ID.upper()}": held("id", Operator.EQUAL, ID),
    "at >= 2026-11-28": held("at", Operator.AT_LEAST, datetime(2026, 11, 28, tzinfo=UTC)),
    "at:<2026-11-28T10:30": held("at", Operator.LESS, datetime(2026, 11, 28, 10, 30, tzinfo=UTC)),
    "at > '2026-11-28 10:30:01.5+02:00'": held(
        "at", Operator.GREATER, datetime(2026, 11, 28, 8, 30, 1, 500_000, tzinfo=UTC)
    ),
}


@pytest.mark.parametrize("text", CONDITIONS)
def test_every_condition_is_read(text: str) -> None:
    assert condition(text) == CONDITIONS[text]
    if CONDITIONS[text] is not None:
        assert checked(f"COUNT FROM things WHERE {text}") == Summary("COUNT", None, CONDITIONS[text])


PARAMS: list[tuple[str, Any, object]] = [
    ("name = @p", "a", NAME),
    ("line > @p", 1, LINE),
    ("name = @p", None, held("name", Operator.EQUAL, None)),
    ("at > @p", "2026-01-01", held("at", Operator.GREATER, datetime(2026, 1, 1, tzinfo=UTC))),
    ("line IN @p", [1, 2], held("line", Operator.IN, 1, 2)),
    ("line IN @p", [], held("line", Operator.IN)),
    ("line IN (@p, 2)", 1, held("line", Operator.IN, 1, 2)),
    ("name = @p", "' OR 1=1 --", held("name", Operator.EQUAL, "' OR 1=1 --")),
]


@pytest.mark.parametrize(("text", "value", "meant"), PARAMS)
def test_a_parameter_is_a_value_and_never_text(text: str, value: Any, meant: object) -> None:
    assert checked(f"COUNT FROM things WHERE {text}", {"p": value}) == Summary("COUNT", None, meant)  # type: ignore[arg-type]


def test_every_spelling_of_every_operator_means_it() -> None:
    values = {Operator.IN: "('1')", Operator.IS_NULL: "", Operator.BETWEEN: "'1' AND '2'"}
    for operator, row in OPERATORS.items():
        for spelling in row.spellings:
            read = condition(f"name {spelling} {values.get(operator, 'x')}")
            assert isinstance(read, Compared) and read.operator is operator, spelling


REFUSED: dict[str, tuple[str, str, str]] = {
    "COUNT FROM thing": ("unknown_entity", "thing", 'did you mean "things"?'),
    "SELECT nme FROM things": ("unknown_column", "nme", 'did you mean "name"?'),
    "COUNT FROM things WHERE line = 1 AND lin = 2": ("unknown_column", "lin", 'did you mean "line"?'),
    "COUNT FROM things WHERE line = x": ("bad_value", "x", ""),
    "COUNT FROM things WHERE line = 1.5": ("bad_value", "1.5", ""),
    "COUNT FROM things WHERE line = '1'": ("bad_value", "'1'", ""),
    "COUNT FROM things WHERE name = 1": ("bad_value", "1", "put it in quotes: '1'"),
    "COUNT FROM things WHERE at > yesterday": ("bad_value", "yesterday", ""),
    "COUNT FROM things WHERE at > 2026-02-30": ("bad_value", "2026-02-30", ""),
    "COUNT FROM things WHERE at > 0001-01-01T00:00+14:00": ("bad_value", "0001-01-01T00:00+14:00", ""),
    "COUNT FROM things WHERE id = 12": ("bad_value", "12", ""),
    "COUNT FROM things WHERE mask > true": ("bad_operator", "mask > true", ""),
    "COUNT FROM things WHERE line LIKE a": ("bad_operator", "line LIKE a", ""),
    "COUNT FROM things WHERE tags = a": ("bad_operator", "tags = a", ""),
    "COUNT FROM things WHERE name = @who": ("unbound_param", "@who", ""),
    "COUNT FROM things WHERE name IN @who": ("unbound_param", "@who", ""),
    "COUNT FROM things WHERE name = NULL": ("null_value", "NULL", "write IS NULL or IS NOT NULL"),
    "COUNT FROM things WHERE name LIKE '\\'": ("bad_pattern", "'\\'", "write `\\\\` for one that is meant"),
    "SUM(name) FROM things": ("bad_function", "name", ""),
    "SELECT * FROM things ORDER BY tags": ("bad_operator", "tags", ""),
    "SELECT * FROM things LIMIT -1": ("bad_count", "-1", ""),
    "UPDATE things SET name = b WHERE name = a": ("not_writable", "name", ""),
    "UPDATE things SET policy = park WHERE name = a": ("bad_value", "park", ""),
    "UPDATE things SET policy = null WHERE name = a": ("null_value", "null", "write IS NULL or IS NOT NULL"),
    "UPDATE things SET share = 0 WHERE name = a": ("bad_value", "0", ""),
    "UPDATE things SET key = sixsix WHERE name = a": ("bad_value", "sixsix", ""),
    "UPDATE things SET policy = fail": (
        "no_where",
        "things SET policy = fail",
        "it says which rows; all of them: WHERE id IS NOT NULL",
    ),
    "SELECT * FROM things; SELECT 1": ("bad_character", ";", "one query at a time"),
    "SELECT * FROM things GROUP BY a": (
        "syntax",
        "GROUP",
        "there is no GROUP BY: an aggregate is of all rows",
    ),
    "DELETE FROM things": ("syntax", "FROM", "rows are removed by the commands and routes of what they are"),
    "COUNT FROM things WHERE name = 'a": ("unclosed_string", "'a", ""),
    "name:a": (
        "no_entity",
        "name:a",
        "for example: COUNT FROM executions WHERE status = failed",
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_wrong_is_told_with_its_place(text: str) -> None:
    code, marked, hint = REFUSED[text]
    with pytest.raises(BadQuery) as refused:
        checked(text)
    (found,) = refused.value.diagnostics
    assert (found.code, found.hint) == (code, hint)
    assert text[found.column - 1 : found.end_column - 1] == marked
    caret = refused.value.shown().splitlines()[2]
    assert caret.count("^") == len(marked) and caret.index("^") == 8 + found.column - 1


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(BadQuery) as refused:
        checked("SELECT idd FROM things WHERE line = x AND at > y\nORDER BY nam")
    assert [(one.code, one.line) for one in refused.value.diagnostics] == [
        ("unknown_column", 1),
        ("bad_value", 1),
        ("bad_value", 1),
        ("unknown_column", 2),
    ]


def test_a_parameter_of_another_type_is_told_without_its_value() -> None:
    with pytest.raises(BadQuery, match='"line" takes an integer, not a text') as refused:
        checked("COUNT FROM things WHERE line = @p", {"p": "hunter2"})
    assert "hunter2" not in refused.value.shown()


LIMITS = [
    ("COUNT FROM things WHERE " + "(" * 50 + "line = 1" + ")" * 50, None),
    ("COUNT FROM things WHERE " + "(" * 51 + "line = 1" + ")" * 51, "too_deep"),
    ("COUNT FROM things WHERE " + "NOT " * 50 + "line = 1", None),
    ("COUNT FROM things WHERE " + "NOT " * 51 + "line = 1", "too_deep"),
    ("COUNT FROM things WHERE line IN (" + ",".join(["1"] * 1000) + ")", None),
    ("COUNT FROM things WHERE line IN (" + ",".join(["1"] * 1001) + ")", "too_many_values"),
    ("COUNT FROM things WHERE line = 1" + " OR line = 1" * 300, None),
    ("COUNT FROM things WHERE name = '" + "x" * (4096 - 33) + "'", None),
    ("COUNT FROM things WHERE name = '" + "x" * (4096 - 32) + "'", "too_large"),
    ("COUNT FROM things WHERE line IN @p", None),
    ("COUNT FROM things WHERE line IN @q", "too_many_values"),
]


@pytest.mark.parametrize(("text", "code"), LIMITS, ids=range(len(LIMITS)))
def test_a_limit_itself_is_allowed_and_what_is_over_it_is_not(text: str, code: str | None) -> None:
    params = {"p": [1] * 1000, "q": [1] * 1001}
    if code is None:
        assert checked(text, params)
        return
    with pytest.raises(BadQuery) as refused:
        checked(text, params)
    assert refused.value.diagnostics[0].code == code


def test_a_checked_query_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        checked("SELECT * FROM things").limit = 5  # type: ignore[misc,union-attr]


_PIECES = (
    "SELECT * FROM things WHERE COUNT ( ) , name line at = != <> : :~ :> LIKE IN BETWEEN AND OR NOT IS NULL "
    "@p 'a' \"b\" 1 2.5 true ORDER BY DESC LIMIT OFFSET UPDATE SET policy undo % _ \\ é \U0001f600 \0 \ud800 ;"
)


@given(some.one_of(some.text(max_size=200), some.lists(some.sampled_from(_PIECES.split(" "))).map(" ".join)))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    for read in (checked, condition):
        try:
            read(text)
        except BadQuery as refused:
            lines = text.split("\n")
            for one in refused.diagnostics:
                assert 1 <= one.line <= len(lines)
                assert 1 <= one.column <= len(lines[one.line - 1]) + 1
                assert re.fullmatch(r"[^\n]+", one.message)
            assert "^" in refused.shown()
