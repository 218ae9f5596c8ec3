"""A small entity with a column of every type, for tests that need no database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codeai.dsl.query.check import Field, Shape, check, check_filter, entity_of
from codeai.dsl.query.operators import Type
from codeai.dsl.query.parser import read_filter, read_query
from codeai.dsl.query.tree import Checked, Condition

_FIELDS = (
    Field("id", Type.UUID),
    Field("name", Type.TEXT),
    Field("line", Type.INTEGER),
    Field("share", Type.NUMBER, writable=True, optional=True, above=0),
    Field("mask", Type.BOOLEAN),
    Field("at", Type.TIME),
    Field("tags", Type.LIST),
    Field("offset", Type.INTEGER),
    Field("policy", Type.TEXT, writable=True, choices=("undo", "fail")),
    Field("key", Type.TEXT, writable=True, optional=True, longest=5),
)
THINGS = Shape("things", {field.name: field for field in _FIELDS})


def checked(text: str, params: Mapping[str, Any] | None = None) -> Checked:
    """The query against `things`. Raises BadQuery."""
    tree, findings = read_query(text)
    entity_of(tree, findings, ["things"])
    return check(tree, findings, THINGS, params or {})


def condition(text: str) -> Condition | None:
    """The filter of `things`. Raises BadQuery."""
    tree, findings = read_filter(text)
    return check_filter(tree, findings, THINGS)
