"""Values of queries: which fit a column's type, and what becomes of them."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import Any

from codeai.dsl.query.operators import Type
from codeai.dsl.query.tree import Plain

_TIME = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:[Zz]|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_UNTAKEN = re.compile("[\0\ud800-\udfff]")
_EXPECTED = {
    Type.TEXT: "text",
    Type.UUID: "a UUID",
    Type.INTEGER: "an integer",
    Type.NUMBER: "a number",
    Type.BOOLEAN: "true or false",
    Type.TIME: "a time such as 2026-01-31 or 2026-01-31T12:00:00Z",
    Type.LIST: "text",
}


class Unfit(ValueError):
    """The value is none of that type."""


def expected(type: Type) -> str:
    """What a column of that type takes, in words."""
    return _EXPECTED[type]


def value_of(wanted: Type, given: Any) -> Plain:
    """The value for a column of that type (of a list: for one of its items); null stays null. Raises Unfit."""
    if given is None:
        return None
    if wanted in (Type.TEXT, Type.LIST):
        if isinstance(given, str) and not _UNTAKEN.search(given):
            return given
    elif wanted is Type.BOOLEAN:
        if isinstance(given, bool):
            return given
    elif wanted is Type.INTEGER:
        if type(given) is int and -(2**63) <= given < 2**63:
            return given
    elif wanted is Type.NUMBER:
        if type(given) in (int, float):
            return float(given)
    elif isinstance(given, str):
        return time_of(given) if wanted is Type.TIME else uuid_of(given)
    raise Unfit


def time_of(text: str) -> datetime:
    """A point in time; without a zone it is UTC. Raises Unfit."""
    if _TIME.fullmatch(text) is None:
        raise Unfit
    try:
        moment = datetime.fromisoformat(text.upper())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unfit from None


def uuid_of(text: str) -> str:
    """A UUID in its usual form. Raises Unfit."""
    if _UUID.fullmatch(text) is None:
        raise Unfit
    return str(uuid.UUID(text))
