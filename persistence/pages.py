"""Keyset paging: a list is read in one order, and a cursor is the place where the last page ended."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Row, Select, func, literal, literal_column, select, tuple_
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

Item = TypeVar("Item")
MOST_COUNTED = 10_000
"""A total is counted up to here; of longer lists it stays unknown, because counting them reads them."""


class BadCursor(ValueError):
    """The cursor is not one that this list gave out."""

    def __init__(self) -> None:
        super().__init__("the cursor is not one of this list; leave it out to start at the first page")


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for: `cursor` goes on where a page ended, `offset` skips items."""

    limit: int = 20
    cursor: str | None = None
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Slice(Generic[Item]):
    """One page. `total` is None where it was not counted, `next_cursor` where the list ends."""

    items: tuple[Item, ...]
    next_cursor: str | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list: its columns, unique together, all in one direction."""

    columns: tuple[InstrumentedAttribute[Any], ...]
    newest_first: bool = True


def narrowed(asked: Select[Any], where: ColumnElement[bool] | None) -> Select[Any]:
    """The list, of which only those are left of which `where` is true."""
    return asked if where is None else asked.where(where)


async def read_page(
    rows: AsyncSession, statement: Select[Any], order: Order, page: Page, shape: Callable[[Row[Any]], Item]
) -> Slice[Item]:
    """Reads one page of `statement` (which must select the order's columns by their names).

    Raises BadCursor for a cursor that is not one of this order.
    """
    keys = order.columns
    asked = statement.order_by(*(key.desc() if order.newest_first else key.asc() for key in keys))
    if page.cursor is not None:
        last = tuple_(*(key.expression for key in keys))
        place = tuple_(*_decode(page.cursor, keys))
        asked = asked.where(last < place if order.newest_first else last > place)
    elif page.offset:
        asked = asked.offset(page.offset)
    try:
        found = (await rows.execute(asked.limit(page.limit + 1))).all()
    except DBAPIError as problem:
        if page.cursor is not None and getattr(problem.orig, "sqlstate", "").startswith("22"):
            raise BadCursor from problem
        raise
    items = found[: page.limit]
    more = len(found) > page.limit
    return Slice(
        items=tuple(shape(row) for row in items),
        next_cursor=_encode(items[-1], keys) if more and items else None,
        total=await _count(rows, statement) if page.cursor is None else None,
    )


async def _count(rows: AsyncSession, statement: Select[Any]) -> int | None:
    # Without its tables there would be one row, however many things the list has.
    one: Select[Any] = statement.with_only_columns(literal_column("1"), maintain_column_froms=True)
    some = one.limit(MOST_COUNTED + 1).subquery()
    counted = (await rows.execute(select(func.count()).select_from(some))).scalar_one()
    return counted if counted <= MOST_COUNTED else None


def _encode(row: Row[Any], keys: Sequence[InstrumentedAttribute[Any]]) -> str:
    values = [_list_of(keys), *(row._mapping[key.key] for key in keys)]
    text = json.dumps([value.isoformat() if isinstance(value, datetime) else value for value in values])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str, keys: Sequence[InstrumentedAttribute[Any]]) -> list[Any]:
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
        if not isinstance(values, list) or len(values) != len(keys) + 1 or values[0] != _list_of(keys):
            raise BadCursor
        return [literal(_typed(value, key), key.type) for value, key in zip(values[1:], keys, strict=True)]
    except (binascii.Error, UnicodeError, RecursionError, ValueError) as problem:
        raise BadCursor from problem


def _list_of(keys: Sequence[InstrumentedAttribute[Any]]) -> str:
    """What is in a cursor beside its place: it is of no use for another list."""
    return str(keys[0].class_.__tablename__)


def _typed(value: Any, key: InstrumentedAttribute[Any]) -> Any:
    wanted = key.type.python_type
    if wanted is datetime and isinstance(value, str):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise BadCursor
        return moment
    if type(value) is not wanted or (wanted is int and abs(value) >= 1 << 63):
        raise BadCursor
    return value
