"""The operators (★), the types of columns that each takes, and the functions of aggregates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Type(StrEnum):
    """What a column has: the names that answers show."""

    TEXT = "text"
    UUID = "uuid"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    LIST = "list"


class Operator(StrEnum):
    """Each by the word that messages and documentation have for it."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="
    LIKE = "LIKE"
    ILIKE = "ILIKE"
    CONTAINS = "CONTAINS"
    STARTSWITH = "STARTSWITH"
    ENDSWITH = "ENDSWITH"
    HAS = ":~"
    IN = "IN"
    BETWEEN = "BETWEEN"
    IS_NULL = "IS NULL"


_SCALAR = frozenset({Type.TEXT, Type.UUID, Type.INTEGER, Type.NUMBER, Type.BOOLEAN, Type.TIME})
_ORDERED = _SCALAR - {Type.BOOLEAN}
_TEXT = frozenset({Type.TEXT})


@dataclass(frozen=True, slots=True)
class Row:
    """How an operator is written besides, what it takes, and what it says."""

    spellings: tuple[str, ...]
    types: frozenset[Type]
    help: str


OPERATORS: Mapping[Operator, Row] = {
    Operator.EQUAL: Row(("=", ":", ":="), _SCALAR, "is that value"),
    Operator.NOT_EQUAL: Row(("!=", "<>", ":!="), _SCALAR, "is another value"),
    Operator.LESS: Row(("<", ":<"), _ORDERED, "comes before it"),
    Operator.AT_MOST: Row(("<=", ":<="), _ORDERED, "comes before it, or is it"),
    Operator.GREATER: Row((">", ":>"), _ORDERED, "comes after it"),
    Operator.AT_LEAST: Row((">=", ":>="), _ORDERED, "comes after it, or is it"),
    Operator.LIKE: Row(
        ("LIKE",), _TEXT, "fits the pattern: `%` is any text, `_` one character, `\\` takes the next as it is"
    ),
    Operator.ILIKE: Row(("ILIKE",), _TEXT, "fits the pattern, whatever the case"),
    Operator.CONTAINS: Row(("CONTAINS",), _TEXT | {Type.LIST}, "has that text in it; of a list: that item"),
    Operator.STARTSWITH: Row(("STARTSWITH",), _TEXT, "begins with that text"),
    Operator.ENDSWITH: Row(("ENDSWITH",), _TEXT, "ends with that text"),
    Operator.HAS: Row((":~",), _TEXT, "has that text in it, whatever the case"),
    Operator.IN: Row(
        ("IN",), _SCALAR, "is one of the values in `( … )`, or of an array that a parameter gives"
    ),
    Operator.BETWEEN: Row(("BETWEEN",), _ORDERED, "is neither before the first value nor after the second"),
    Operator.IS_NULL: Row(("IS NULL",), frozenset(Type), "has no value; `IS NOT NULL`: has one"),
}
BY_SPELLING: Mapping[str, Operator] = {
    spelling: operator for operator, row in OPERATORS.items() for spelling in row.spellings
}

_COUNTABLE = frozenset({Type.INTEGER, Type.NUMBER})
FUNCTIONS: Mapping[str, frozenset[Type]] = {
    "COUNT": frozenset(Type),
    "SUM": _COUNTABLE,
    "AVG": _COUNTABLE,
    "MIN": frozenset({Type.TEXT, Type.INTEGER, Type.NUMBER, Type.TIME}),
    "MAX": frozenset({Type.TEXT, Type.INTEGER, Type.NUMBER, Type.TIME}),
}
"""The aggregates (★), and what each takes. All leave out what has no value."""
