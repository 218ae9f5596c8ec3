"""A plan as plain JSON data: each entry has its kind as `entry`, a value that only a run can know `known: false`."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from codeai.dsl.plan import Plan


def to_json(plan: Plan) -> dict[str, Any]:
    """`{missing, entries, undo, needs, cut}`, as `Plan` has them."""
    made: dict[str, Any] = _plain(plan)
    return made


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        made = {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
        return {"entry": type(value).__name__.lower(), **made} if "line" in made else made
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
