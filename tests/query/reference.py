"""What a checked query answers, in plain Python over plain rows: SQL's three-valued logic, text by code point."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from codeai.dsl.query.operators import Operator
from codeai.dsl.query.tree import Compared, Condition, Junction, Not, Selection, Summary

Row = Mapping[str, Any]
Truth = bool | None
"""None: unknown."""


def holds(where: Condition | None, row: Row) -> Truth:
    """Whether the condition is true of the row."""
    if where is None:
        return True
    if isinstance(where, Junction):
        parts = [holds(part, row) for part in where.parts]
        deciding = not where.every
        return deciding if deciding in parts else None if None in parts else where.every
    if isinstance(where, Not):
        part = holds(where.part, row)
        return None if part is None else not part
    assert isinstance(where, Compared)
    return compared(where.operator, row[where.column], where.values)


def compared(operator: Operator, value: Any, values: Sequence[Any]) -> Truth:
    """A column's value held against values."""
    if operator is Operator.IS_NULL:
        return value is None
    if operator is Operator.IN:
        if not values:
            return False
        return any_of([compared(Operator.EQUAL, value, [one]) for one in values])
    if operator is Operator.BETWEEN:
        low, high = values
        parts = [compared(Operator.AT_LEAST, value, [low]), compared(Operator.AT_MOST, value, [high])]
        return False if False in parts else None if None in parts else True
    (other,) = values
    if isinstance(value, list):
        return None if other is None else other in value
    if value is None or other is None:
        return None
    return _TESTS[operator](value, other)


def any_of(parts: Sequence[Truth]) -> Truth:
    return True if True in parts else None if None in parts else False


def fits(text: str, pattern: str) -> bool:
    """Whether the text is what a LIKE pattern describes."""
    pieces, at = [], 0
    while at < len(pattern):
        one = pattern[at]
        if one == "\\":
            at += 1
            pieces.append(re.escape(pattern[at]))
        else:
            pieces.append({"%": ".*", "_": "."}.get(one) or re.escape(one))
        at += 1
    return re.fullmatch("".join(pieces), text, re.DOTALL) is not None


_TESTS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUAL: lambda value, other: value == other,
    Operator.NOT_EQUAL: lambda value, other: value != other,
    Operator.LESS: lambda value, other: value < other,
    Operator.AT_MOST: lambda value, other: value <= other,
    Operator.GREATER: lambda value, other: value > other,
    Operator.AT_LEAST: lambda value, other: value >= other,
    Operator.LIKE: fits,
    Operator.ILIKE: lambda value, other: fits(value.lower(), other.lower()),
    Operator.CONTAINS: lambda value, other: other in value,
    Operator.STARTSWITH: lambda value, other: value.startswith(other),
    Operator.ENDSWITH: lambda value, other: value.endswith(other),
    Operator.HAS: lambda value, other: other.lower() in value.lower(),
}


def summary(of: Summary, rows: Sequence[Row]) -> Any:
    """The one value of an aggregate."""
    found = [row for row in rows if holds(of.where, row)]
    if of.column is None:
        return len(found)
    values = [row[of.column] for row in found if row[of.column] is not None]
    if of.function == "COUNT":
        return len(values)
    if not values:
        return None
    if of.function == "AVG":
        return sum(values) / len(values)
    functions: Mapping[str, Callable[[Any], Any]] = {"SUM": sum, "MIN": min, "MAX": max}
    return functions[of.function](values)


def selection(
    of: Selection, rows: Sequence[Row], columns: Sequence[str], keys: Sequence[str], newest_first: bool
) -> list[tuple[Any, ...]]:
    """The rows of a SELECT, in order; `keys` and `newest_first` are the entity's own order."""
    found = [row for row in rows if holds(of.where, row)]
    named = [name for name, _ in of.order]
    order = [*of.order, *((name, newest_first) for name in keys if name not in named)]
    for name, descending in reversed(order):
        # What has no value comes last, or first where the order descends; Python's sort is stable.
        found.sort(
            key=lambda row: (row[name] is None, row[name] if row[name] is not None else 0), reverse=descending
        )
    end = None if of.limit is None else of.offset + of.limit
    return [tuple(row[name] for name in columns) for row in found[of.offset : end]]
