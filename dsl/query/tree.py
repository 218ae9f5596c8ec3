"""What a query says: the parser's tree, with its places in the text, and the checked one, with its values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from codeai.dsl.query.operators import Operator

Plain: TypeAlias = str | int | float | bool | datetime | None
"""A value as the database takes it. None is unknown."""


@dataclass(frozen=True, slots=True)
class Word:
    """A name in the text, and from where to where."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Operand:
    """A value in the text. `kind` is the token's: WORD and STRING are text, NUMBER, TRUE, FALSE, NULL, or PARAM with
    the name of the parameter as its text."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A column held against values, as it was written. `given` is the one parameter that has a whole list."""

    column: Word
    operator: Operator
    operands: tuple[Operand, ...]
    start: int
    end: int
    given: Operand | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """A column held against values, checked: they are of the column's type."""

    column: str
    operator: Operator
    values: tuple[Plain, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The other way round; what is unknown stays unknown."""

    part: Condition


@dataclass(frozen=True, slots=True)
class Junction:
    """All of several conditions, or any of them."""

    every: bool
    parts: tuple[Condition, ...]


Condition: TypeAlias = Comparison | Compared | Not | Junction


@dataclass(frozen=True, slots=True)
class Ordering:
    column: Word
    descending: bool


@dataclass(frozen=True, slots=True)
class Select:
    """Rows: of these columns (None: all)."""

    columns: tuple[Word, ...] | None
    entity: Word
    where: Condition | None
    order: tuple[Ordering, ...]
    limit: Operand | None
    offset: Operand | None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One value of all rows. Without a column the rows themselves are counted."""

    function: Word
    column: Word | None
    entity: Word
    where: Condition | None


@dataclass(frozen=True, slots=True)
class Update:
    entity: Word
    assignments: tuple[tuple[Word, Operand], ...]
    where: Condition | None


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition alone; its entity is that of the list it narrows."""

    where: Condition | None


Statement: TypeAlias = Select | Aggregate | Update


@dataclass(frozen=True, slots=True)
class Selection:
    """A checked SELECT. Without `columns` it is of all; `limit` is None where it has none."""

    columns: tuple[str, ...]
    where: Condition | None
    order: tuple[tuple[str, bool], ...] = ()
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """A checked aggregate: COUNT, SUM, AVG, MIN or MAX."""

    function: str
    column: str | None
    where: Condition | None


@dataclass(frozen=True, slots=True)
class Assignments:
    """A checked UPDATE."""

    values: tuple[tuple[str, Plain], ...]
    where: Condition


Checked: TypeAlias = Selection | Summary | Assignments


def columns_of(where: Condition | None) -> frozenset[str]:
    """The columns that a checked condition looks at."""
    if isinstance(where, Junction):
        return frozenset().union(*(columns_of(part) for part in where.parts))
    if isinstance(where, Not):
        return columns_of(where.part)
    return frozenset({where.column}) if isinstance(where, Compared) else frozenset()
