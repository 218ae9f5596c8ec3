"""What all tables share: their metadata, column types, keys and the way a row becomes a frozen value."""

from __future__ import annotations

import dataclasses
import os
import time
import uuid
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar, TypeVarTuple, overload

from sqlalchemy import ColumnElement, Dialect, Executable, MetaData, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.engine import Result
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.selectable import TypedReturnsRows
from sqlalchemy.types import TypeDecorator, TypeEngine, Uuid

Shape = TypeVar("Shape")
Columns = TypeVarTuple("Columns")


class Rows(Protocol):
    """Whom repositories ask: a session, or `Reads`, which only answers."""

    @overload
    async def execute(
        self, statement: TypedReturnsRows[*Columns], params: Any = None, /
    ) -> Result[*Columns]: ...
    @overload
    async def execute(self, statement: Executable, params: Any = None, /) -> Result[*tuple[Any, ...]]: ...


class Words(TypeDecorator[str]):
    """Text as people and programs write it. Postgres refuses U+0000 and UTF-8 has no lone surrogates, so both
    are stored as U+FFFD, as the language does with captured output (LANGUAGE.md, 2)."""

    impl = Text
    cache_ok = True

    @property
    def python_type(self) -> type[str]:
        return str

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else storable(value)


def storable(text: str) -> str:
    """The text as a column of words holds it."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Base(DeclarativeBase):
    """The tables of the read model. Every id is handed around as text, every time has a zone."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {str: Words(), datetime: TIMESTAMP(timezone=True)}  # noqa: RUF012 (SQLAlchemy's name)


def key() -> TypeEngine[str]:
    """The column type of a UUID."""
    return Uuid(as_uuid=False)


def is_uuid(text: str) -> bool:
    """Whether `text` is a UUID in its usual form. What is not one names no row by id."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def uuid7(made_at: datetime | None = None, random_bytes: bytes | None = None) -> str:
    """A new key, ordered by the millisecond in which it was made (RFC 9562, 5.7). With both arguments (at least
    ten bytes) it is the same key again: for what may be written twice."""
    millis = int(made_at.timestamp() * 1000) if made_at else time.time_ns() // 1_000_000
    random = int.from_bytes((random_bytes or os.urandom(10))[:10], "big")
    value = (millis & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return str(uuid.UUID(int=value))


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


def columns(shape: type[Any], table: type[Base], **instead: ColumnElement[Any]) -> list[Any]:
    """What is selected for the dataclass `shape`, in its order, so that a row becomes one by `shape(*row)`: the columns
    of `table`, or what stands here under their names `instead`."""
    names = [field.name for field in dataclasses.fields(shape)]
    return [instead[name].label(name) if name in instead else getattr(table, name) for name in names]
