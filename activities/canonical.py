"""JSON as the database holds it: one text for one value."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel


def canonical(value: Any) -> str:
    """`value` as compact JSON that keeps the order of maps and the difference between 2 and 2.0. A model gives its
    fields, those without a value left out."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_none=True)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def at(seconds: float) -> datetime:
    """Seconds since 1970 as the database holds a time."""
    return datetime.fromtimestamp(seconds, UTC)
