"""Keyset paging: a list is read in one order, and a cursor is the place where the last page ended."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Integer, Row, Select, bindparam, func, literal_column, select, tuple_
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstrumentedAttribute

from codeai.persistence.base import Rows

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


@dataclass(frozen=True)
class Listed(Generic[Item]):
    """A list: what it shows (with the order's columns under their names), in which order, and as what: `shape` is
    called with the columns. Its statements are built when they are first asked: keep it."""

    statement: Select[Any]
    order: Order
    shape: Callable[..., Item]

    def narrowed(self, where: ColumnElement[bool] | None) -> Listed[Item]:
        """The list, of which only those are left of which `where` is true."""
        return self if where is None else replace(self, statement=self.statement.where(where))

    @cached_property
    def first(self) -> Select[Any]:
        """The first `most` items, and beside each how many there are: `counted`."""
        return self._in_order.add_columns(self.counted.scalar_subquery().label("counted"))

    @cached_property
    def skipping(self) -> Select[Any]:
        """Those behind the first `skipped`."""
        return self.first.offset(_SKIPPED)

    @cached_property
    def behind(self) -> Select[Any]:
        """Those behind the one whose keys have these values; they are not counted."""
        keys = self.order.columns
        item = tuple_(*(key.expression for key in keys))
        last = tuple_(*(bindparam(f"last_{key.key}", None, type_=key.type) for key in keys))
        return self._in_order.where(item < last if self.order.newest_first else item > last)

    @cached_property
    def counted(self) -> Select[Any]:
        """How many there are, up to one more than are counted."""
        # Without its tables there would be one row, however many things the list has.
        one: Select[Any] = self.statement.with_only_columns(literal_column("1"), maintain_column_froms=True)
        return select(func.count()).select_from(one.limit(MOST_COUNTED + 1).subquery())

    @cached_property
    def width(self) -> int:
        """How many columns an item has."""
        return len(self.statement.selected_columns)

    @property
    def _in_order(self) -> Select[Any]:
        keys = self.order.columns
        by = (key.desc() if self.order.newest_first else key.asc() for key in keys)
        return self.statement.order_by(*by).limit(_MOST)


_MOST, _SKIPPED = bindparam("most", None, type_=Integer), bindparam("skipped", None, type_=Integer)


async def read_page(rows: Rows, listed: Listed[Item], page: Page, **values: object) -> Slice[Item]:
    """Reads one page of a list whose parameters have these `values`.

    Raises BadCursor for a cursor that is not one of this order.
    """
    keys, asked = listed.order.columns, {**values, "most": page.limit + 1}
    count: int | None = None
    if page.cursor is not None:
        last = _decode(page.cursor, keys)
        try:
            found = (await rows.execute(listed.behind, asked | last)).all()
        except DBAPIError as problem:
            if getattr(problem.orig, "sqlstate", "").startswith("22"):
                raise BadCursor from problem
            raise
    elif page.offset:
        found = (await rows.execute(listed.skipping, asked | {"skipped": page.offset})).all()
        # Behind the end there is no item that the count could stand beside.
        count = found[0].counted if found else (await rows.execute(listed.counted, values)).scalar_one()
    else:
        found = (await rows.execute(listed.first, asked)).all()
        count = found[0].counted if found else 0
    items = found[: page.limit]
    more = len(found) > page.limit
    return Slice(
        items=tuple(listed.shape(*row[: listed.width]) for row in items),
        next_cursor=_encode(items[-1], keys) if more and items else None,
        total=count if count is None or count <= MOST_COUNTED else None,
    )


def _encode(row: Row[Any], keys: Sequence[InstrumentedAttribute[Any]]) -> str:
    values = [_list_of(keys), *(row._mapping[key.key] for key in keys)]
    text = json.dumps([value.isoformat() if isinstance(value, datetime) else value for value in values])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str, keys: Sequence[InstrumentedAttribute[Any]]) -> dict[str, Any]:
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
        if not isinstance(values, list) or len(values) != len(keys) + 1 or values[0] != _list_of(keys):
            raise BadCursor
        return {f"last_{key.key}": _typed(value, key) for value, key in zip(values[1:], keys, strict=True)}
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
