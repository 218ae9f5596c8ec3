"""Holds what Postgres answers to a query against the plain-Python evaluation of the same tree, and watches the SQL."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace
from typing import Any

from codeai.dsl.query.diagnostics import BadQuery
from codeai.dsl.query.tree import Selection, Summary
from codeai.persistence.pool import Telling
from codeai.persistence.query import Query, read, understood
from codeai.persistence.reads import Reads
from tests.query import reference
from tests.query.generated import Queries, Rows

LITERAL = r"'|(?<![$\w])\d"
"""What a value in the text of a statement would have: a quote, or a number that is no parameter's."""


@dataclass(slots=True)
class Seen:
    """What came of many queries."""

    answered: int = 0
    refused: int = 0
    rows: int = 0
    statements: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Noted(Telling):
    """Keeps the texts of the statements that are sent."""

    statements: set[str] = field(default_factory=set)

    def ended(self, statement: str, seconds: float) -> None:
        self.statements.add(statement)


async def compare(database: Reads, rows: Rows, chance: random.Random, count: int) -> Seen:
    """Asks `count` random queries; fails at the first answer that differs, with the query."""
    queries, seen, sent = Queries(chance, rows), Seen(), Noted()
    noted = replace(database, telling=sent)
    for _ in range(count):
        text, params = queries.query()
        try:
            query = understood(text, params)
        except BadQuery as refused:
            caret_is_in(text, refused)
            seen.refused += 1
            continue
        try:
            found = await answer(noted, query)
            assert agrees(found, expected(query, rows)), (found, expected(query, rows))
        except Exception as error:
            raise AssertionError(f"{text}\n{params}\n{type(error).__name__}: {error}") from error
        seen.answered += 1
        seen.rows += len(found)
    seen.statements = sent.statements
    return seen


def caret_is_in(text: str, refused: BadQuery) -> None:
    """Every finding has a place in the text."""
    lines = text.split("\n")
    for one in refused.diagnostics:
        assert 1 <= one.column <= len(lines[one.line - 1]) + 1, text
    assert "^" in refused.shown()


async def answer(rows: Reads, query: Query) -> list[tuple[Any, ...]]:
    """The rows of all pages."""
    found: list[tuple[Any, ...]] = []
    cursor: str | None = None
    while True:
        page = await read(rows, query, cursor)
        assert len(page.rows) <= 100
        found += page.rows
        cursor = page.next_cursor
        if cursor is None:
            return found


def expected(query: Query, rows: Rows) -> list[tuple[Any, ...]]:
    entity, of = query.entity, query.checked
    if isinstance(of, Summary):
        return [(reference.summary(of, rows[entity.name]),)]
    assert isinstance(of, Selection)
    columns = of.columns or tuple(entity.columns)
    return reference.selection(of, rows[entity.name], columns, entity.keys, entity.newest_first)


def agrees(found: list[tuple[Any, ...]], wanted: list[tuple[Any, ...]]) -> bool:
    """The same; sums and means of floats but for the last digits."""
    if len(found) == len(wanted) == 1 and len(found[0]) == 1 and isinstance(found[0][0], float):
        other = wanted[0][0]
        return isinstance(other, int | float) and math.isclose(found[0][0], other, rel_tol=1e-9, abs_tol=1e-9)
    return found == wanted
