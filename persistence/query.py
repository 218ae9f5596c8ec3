"""Checked queries answered: pages of rows, sums, and what an UPDATE changed; every value is a bound parameter."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    Select,
    and_,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from codeai.dsl.query.check import check, entity_of
from codeai.dsl.query.operators import Type
from codeai.dsl.query.parser import read_query
from codeai.dsl.query.tree import Assignments, Checked, Plain, Selection, Statement, Summary, columns_of
from codeai.dsl.query.values import Unfit, value_of
from codeai.persistence.base import Rows
from codeai.persistence.entities import ENTITIES, Column, Entity
from codeai.persistence.pages import BadCursor
from codeai.persistence.query_sql import bound, condition, ordered

MOST_ROWS = 100
"""Rows of one page."""
MOST_CHANGED = 1000
"""Rows that one UPDATE may change."""
TIME_LIMIT = 5.0
"""Seconds for one statement of a query or with a filter."""
NUMBER_OUT_OF_RANGE = "22003"


@dataclass(frozen=True, slots=True)
class Query:
    """A query that can be run, and its entity. `mark` is the same for the same text and parameters."""

    entity: Entity
    checked: Checked
    mark: str

    def columns(self) -> frozenset[str]:
        """The columns that it names, but those that `*` stands for."""
        asked = self.checked
        named = columns_of(asked.where)
        if isinstance(asked, Selection):
            return named | {name for name, _ in asked.order} | set(asked.columns)
        if isinstance(asked, Summary):
            return named | ({asked.column} if asked.column else set())
        return named | {name for name, _ in asked.values}


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows with their columns: name and type."""

    columns: tuple[tuple[str, Type], ...]
    rows: tuple[tuple[Any, ...], ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """What an UPDATE did: the rows by their key, each with what it had before."""

    before: tuple[Mapping[str, Any], ...]


class OutOfRange(ValueError):
    """The aggregate has a value that no column type holds."""

    def __init__(self) -> None:
        super().__init__("the sum is out of the range of a double; narrow the rows by a WHERE")


class TooManyRows(ValueError):
    """The UPDATE would change more than it may."""

    def __init__(self) -> None:
        super().__init__(f"an UPDATE changes at most {MOST_CHANGED} rows; narrow it by its WHERE")


def asked(statement: Statement, findings: Any, text: str, params: Mapping[str, Any]) -> Query:
    """The parsed query, checked against its entity. Raises BadQuery."""
    entity = ENTITIES[entity_of(statement, findings, list(ENTITIES))]
    told = json.dumps([text, params], sort_keys=True, default=str)
    mark = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return Query(entity, check(statement, findings, entity.shape, params), mark)


def understood(text: str, params: Mapping[str, Any]) -> Query:
    """The query of that text. Raises BadQuery."""
    statement, findings = read_query(text)
    return asked(statement, findings, text, params)


async def read(rows: Rows, query: Query, cursor: str | None = None, hidden: Collection[str] = ()) -> Answer:
    """One page of a SELECT, or an aggregate. `*` leaves the columns `hidden` out.

    Raises BadCursor for a cursor that this query did not give out, and OutOfRange.
    """
    if isinstance(query.checked, Summary):
        return await _summary(rows, query.entity, query.checked)
    assert isinstance(query.checked, Selection)
    return await _page(rows, query, query.checked, cursor, hidden)


async def write(rows: AsyncSession, entity: Entity, asked: Assignments) -> Changed:
    """Changes the rows. Raises TooManyRows, and has changed none then."""
    milliseconds = str(int(TIME_LIMIT * 1000))
    await rows.execute(select(func.set_config(literal("statement_timeout"), literal(milliseconds), True)))
    names = [name for name, _ in asked.values]
    keys = [entity.columns[name] for name in entity.keys]
    found = await rows.execute(
        select(*(_read(entity, {*entity.keys, *names})))
        .select_from(entity.source)
        .where(*_where(entity, asked))
        .order_by(*(key.read for key in keys))
        .limit(MOST_CHANGED + 1)
        .with_for_update(of=entity.table)
    )
    before = tuple(dict(row._mapping) for row in found)
    if len(before) > MOST_CHANGED:
        raise TooManyRows
    values = {
        getattr(entity.table, name): bound(entity.columns[name].field.type, value)
        for name, value in asked.values
    }
    stamps = {getattr(entity.table, name): value for name, value in entity.stamps.items()}
    id = entity.columns["id"]
    touched = id.read.in_([bound(id.field.type, row["id"]) for row in before])
    await rows.execute(update(entity.table).where(touched).values(values | stamps))
    return Changed(before)


def _read(entity: Entity, names: Collection[str]) -> list[ColumnElement[Any]]:
    return [column.read.label(name) for name, column in entity.columns.items() if name in names]


def _where(entity: Entity, of: Checked) -> list[ColumnElement[bool]]:
    where = condition(entity, of.where)
    return [] if where is None else [where]


async def _summary(rows: Rows, entity: Entity, of: Summary) -> Answer:
    value, type = _aggregate(of.function, entity.columns[of.column] if of.column else None)
    asked = select(value).select_from(entity.source).where(*_where(entity, of))
    try:
        found = (await rows.execute(asked)).scalar_one()
    except DBAPIError as problem:
        if getattr(problem.orig, "sqlstate", None) == NUMBER_OUT_OF_RANGE:
            raise OutOfRange from problem
        raise
    if type is Type.INTEGER and found is not None:
        found = int(found)  # the sum of 64-bit integers comes as a decimal
    return Answer(((of.function.lower(), type),), ((found,),))


def _aggregate(function: str, column: Column | None) -> tuple[ColumnElement[Any], Type]:
    if column is None:
        return func.count(), Type.INTEGER
    if function == "COUNT":
        return func.count(column.read), Type.INTEGER
    if function == "AVG":
        return cast(func.avg(column.read), Double), Type.NUMBER
    if function == "SUM":
        return func.sum(column.read), column.field.type
    return getattr(func, function.lower())(ordered(column)), column.field.type


@dataclass(frozen=True, slots=True)
class _Key:
    """A column that rows are ordered by. Without a value a row comes last, or first where it descends."""

    name: str
    column: Column
    descending: bool

    def order(self) -> ColumnElement[Any]:
        by = ordered(self.column)
        return by.desc().nulls_first() if self.descending else by.asc().nulls_last()

    def same(self, value: Plain) -> ColumnElement[bool]:
        if value is None:
            return self.column.read.is_(None)
        return self.column.read == bound(self.column.field.type, value)

    def behind(self, value: Plain) -> ColumnElement[bool]:
        by = ordered(self.column)
        if value is None:
            return self.column.read.is_not(None) if self.descending else false()
        place = bound(self.column.field.type, value)
        return by < place if self.descending else or_(by > place, self.column.read.is_(None))


async def _page(
    rows: Rows, query: Query, of: Selection, cursor: str | None, hidden: Collection[str]
) -> Answer:
    entity = query.entity
    names = of.columns or tuple(name for name in entity.columns if name not in hidden)
    keys = _keys(entity, of)
    left = of.limit
    asked: Select[Any] = (
        select(*_read(entity, {*names, *(key.name for key in keys)}))
        .select_from(entity.source)
        .where(*_where(entity, of))
        .order_by(*(key.order() for key in keys))
    )
    if cursor is not None:
        place, left = _decoded(cursor, query.mark, keys)
        asked = asked.where(_behind(keys, place))
    elif of.offset:
        asked = asked.offset(literal(of.offset, BigInteger))
    size = MOST_ROWS if left is None else min(MOST_ROWS, left)
    found = (await rows.execute(asked.limit(size + 1))).all()
    page = [row._mapping for row in found[:size]]
    rest = None if left is None else left - size
    more = len(found) > size and rest != 0 and bool(page)
    return Answer(
        columns=tuple((name, entity.columns[name].field.type) for name in names),
        rows=tuple(tuple(row[name] for name in names) for row in page),
        next_cursor=_encoded([page[-1][key.name] for key in keys], rest, query.mark) if more else None,
    )


def _keys(entity: Entity, of: Selection) -> list[_Key]:
    """What rows are ordered by: as asked, and then by what makes a row one."""
    named = [name for name, _ in of.order]
    rest = [(name, entity.newest_first) for name in entity.keys if name not in named]
    return [_Key(name, entity.columns[name], descending) for name, descending in [*of.order, *rest]]


def _behind(keys: Sequence[_Key], place: Sequence[Plain]) -> ColumnElement[bool]:
    """Rows behind that place: equal in the first keys, behind in the next."""
    ways = []
    for at, (key, value) in enumerate(zip(keys, place, strict=True)):
        before = [one.same(known) for one, known in zip(keys[:at], place, strict=False)]
        ways.append(and_(*before, key.behind(value)))
    return or_(*ways)


def _encoded(place: Sequence[Any], left: int | None, mark: str) -> str:
    values = [value.isoformat() if isinstance(value, datetime) else value for value in place]
    told = json.dumps([mark, left, values], separators=(",", ":"))
    return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")


def _decoded(cursor: str, mark: str, keys: Sequence[_Key]) -> tuple[list[Plain], int | None]:
    try:
        told = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
        given, left, values = told
        if given != mark or not (left is None or (type(left) is int and left > 0)):
            raise BadCursor
        return [value_of(key.column.field.type, value) for key, value in zip(keys, values, strict=True)], left
    except (binascii.Error, UnicodeError, RecursionError, ValueError, TypeError, Unfit) as problem:
        raise BadCursor from problem
