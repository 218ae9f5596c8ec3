"""What lists and the Web UI show of a workflow: its search attributes (★)."""

from __future__ import annotations

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

KIND = SearchAttributeKey.for_keyword("CodeAIKind")
ENTITY = SearchAttributeKey.for_keyword("CodeAIEntity")
STATUS = SearchAttributeKey.for_keyword("CodeAIStatus")
TRIGGERED_BY = SearchAttributeKey.for_keyword("CodeAITriggeredBy")

LONGEST = 255


def describe(kind: str | None, entity: str | None, triggered_by: str | None, status: str) -> None:
    """Sets what is given in one command; `entity` is `<kind>/<id>` of what the workflow works for."""
    given = ((KIND, kind), (ENTITY, entity), (TRIGGERED_BY, triggered_by), (STATUS, status))
    updates: list[SearchAttributeUpdate[str]] = [
        key.value_set(value[:LONGEST]) for key, value in given if value is not None
    ]
    workflow.upsert_search_attributes(updates)
