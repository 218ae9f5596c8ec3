"""The search attributes of every workflow (★): what lists and the Web UI filter by."""

from __future__ import annotations

import json

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

KIND = SearchAttributeKey.for_keyword("CodeAIKind")
ENTITY = SearchAttributeKey.for_keyword("CodeAIEntity")
STATUS = SearchAttributeKey.for_keyword("CodeAIStatus")
TRIGGERED_BY = SearchAttributeKey.for_keyword("CodeAITriggeredBy")

LONGEST = 255
"""Characters of a value."""
MOST_BYTES = 2000
"""Of a value as JSON, where a character beyond ASCII takes 6 or 12. Temporal refuses a start with one over 2048."""


def fitting(value: str) -> str:
    """The beginning of a value that Temporal takes."""
    value = value[:LONGEST]
    while len(json.dumps(value)) > MOST_BYTES:
        value = value[:-1]
    return value


def described(
    kind: str | None, entity: str | None, triggered_by: str | None, status: str
) -> list[SearchAttributePair[str]]:
    """The attributes that are given; `entity` is `<kind>/<id>` of what the workflow works for."""
    given = ((KIND, kind), (ENTITY, entity), (TRIGGERED_BY, triggered_by), (STATUS, status))
    return [SearchAttributePair(key, fitting(value)) for key, value in given if value is not None]


def at_start(kind: str, entity: str, triggered_by: str | None) -> TypedSearchAttributes:
    """For whoever starts a workflow through us: it need not set them itself, which costs the server a write."""
    return TypedSearchAttributes(described(kind, entity, triggered_by, "running"))
