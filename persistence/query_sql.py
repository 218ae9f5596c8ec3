"""A checked condition as SQL: columns of the entity's table, operators of our own, and bound parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    Text,
    Uuid,
    and_,
    any_,
    false,
    literal,
    not_,
    or_,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.types import TypeEngine

from codeai.dsl.query.operators import Operator, Type
from codeai.dsl.query.tree import Compared, Condition, Junction, Not, Plain
from codeai.persistence.entities import Column, Entity

_BOUND: Mapping[Type, TypeEngine[Any]] = {
    Type.TEXT: Text(),
    Type.UUID: Uuid(as_uuid=False),
    Type.INTEGER: BigInteger(),  # also for narrower columns: a value that is too large for one is no error
    Type.NUMBER: Double(),
    Type.BOOLEAN: Boolean(),
    Type.TIME: TIMESTAMP(timezone=True),
    Type.LIST: Text(),
}
_COMPARED: Mapping[Operator, Callable[[Any, Any], ColumnElement[bool]]] = {
    Operator.EQUAL: lambda column, value: column == value,
    Operator.NOT_EQUAL: lambda column, value: column != value,
    Operator.LESS: lambda column, value: column < value,
    Operator.AT_MOST: lambda column, value: column <= value,
    Operator.GREATER: lambda column, value: column > value,
    Operator.AT_LEAST: lambda column, value: column >= value,
    Operator.LIKE: lambda column, value: column.like(value),
    Operator.ILIKE: lambda column, value: column.ilike(value),
    Operator.CONTAINS: lambda column, value: column.like(value),
    Operator.STARTSWITH: lambda column, value: column.like(value),
    Operator.ENDSWITH: lambda column, value: column.like(value),
    Operator.HAS: lambda column, value: column.ilike(value),
}
_AROUND = {
    Operator.CONTAINS: ("%", "%"),
    Operator.HAS: ("%", "%"),
    Operator.STARTSWITH: ("", "%"),
    Operator.ENDSWITH: ("%", ""),
}


def condition(entity: Entity, where: Condition | None) -> ColumnElement[bool] | None:
    """The condition on the rows of the entity, with what makes them its rows."""
    asked = None if where is None else _sql(entity, where)
    parts = [one for one in (entity.where, asked) if one is not None]
    return and_(*parts) if parts else None


def bound(type: Type, value: Plain) -> ColumnElement[Any]:
    """A value as a parameter of the statement."""
    return literal(value, _BOUND[type])


def ordered(column: Column) -> ColumnElement[Any]:
    """The column as it is ordered and compared: text by code point, whatever the database's locale."""
    return column.read.collate("C") if column.field.type is Type.TEXT else column.read


def _sql(entity: Entity, node: Condition) -> ColumnElement[bool]:
    if isinstance(node, Junction):
        parts = [_sql(entity, part) for part in node.parts]
        return and_(*parts) if node.every else or_(*parts)
    if isinstance(node, Not):
        return not_(_sql(entity, node.part))
    assert isinstance(node, Compared)
    return _held(entity.columns[node.column], node)


def _held(column: Column, node: Compared) -> ColumnElement[bool]:
    type, operator = column.field.type, node.operator
    if operator is Operator.IS_NULL:
        return column.read.is_(None)
    if operator in _AROUND and type is Type.TEXT:
        before, after = _AROUND[operator]
        (text,) = node.values
        pattern = None if text is None else before + _escaped(str(text)) + after
        return _COMPARED[operator](column.read, bound(type, pattern))
    values = [bound(type, value) for value in node.values]
    if type is Type.LIST:
        return values[0] == any_(column.read)
    if operator is Operator.IN:
        return column.read.in_(values) if values else false()
    if operator is Operator.BETWEEN:
        return and_(ordered(column) >= values[0], ordered(column) <= values[1])
    # Equality is the same in every collation; only without one an index serves it.
    order = operator in (Operator.LESS, Operator.AT_MOST, Operator.GREATER, Operator.AT_LEAST)
    return _COMPARED[operator](ordered(column) if order else column.read, values[0])


def _escaped(text: str) -> str:
    """The text as a pattern that only itself fits."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
