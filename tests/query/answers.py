"""Holds what Postgres answers to a query against the plain-Python evaluation of the same tree, and watches the SQL."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event

from codeai.dsl.query.diagnostics import BadQuery
from codeai.dsl.query.tree import Selection, Summary
from codeai.persistence.engine import Database
from codeai.persistence.query import Query, read, understood
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


@contextmanager
def watched(database: Database) -> Iterator[set[str]]:
    """The texts of the statements that are sent meanwhile."""
    sent: set[str] = set()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.add(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)


async def compare(database: Database, rows: Rows, chance: random.Random, count: int) -> Seen:
    """Asks `count` random queries; fails at the first answer that differs, with the query."""
    queries, seen = Queries(chance, rows), Seen()
    with watched(database) as sent:
        for _ in range(count):
            text, params = queries.query()
            try:
                query = understood(text, params)
            except BadQuery as refused:
                caret_is_in(text, refused)
                seen.refused += 1
                continue
            try:
                found = await answer(database, query)
                assert agrees(found, expected(query, rows)), (found, expected(query, rows))
            except Exception as error:
                raise AssertionError(f"{text}\n{params}\n{type(error).__name__}: {error}") from error
            seen.answered += 1
            seen.rows += len(found)
    seen.statements = sent
    return seen


def caret_is_in(text: str, refused: BadQuery) -> None:
    """Every finding has a place in the text."""
    lines = text.split("\n")
    for one in refused.diagnostics:
        assert 1 <= one.column <= len(lines[one.line - 1]) + 1, text
    assert "^" in refused.shown()


async def answer(database: Database, query: Query) -> list[tuple[Any, ...]]:
    """The rows of all pages."""
    found: list[tuple[Any, ...]] = []
    cursor: str | None = None
    async with database.session() as rows:
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
