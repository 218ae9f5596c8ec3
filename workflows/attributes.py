"""Setting a workflow's search attributes from inside."""

from __future__ import annotations

from temporalio import workflow

from codeai.workflows.contracts.attributes import KIND, described


def describe(kind: str, entity: str, triggered_by: str | None) -> None:
    """Says at its beginning what the workflow is, unless whoever started it has said so."""
    if workflow.info().typed_search_attributes.get(KIND) is None:
        _set(kind, entity, triggered_by, "running")


def describe_status(status: str) -> None:
    """Says where it is now."""
    _set(None, None, None, status)


def _set(kind: str | None, entity: str | None, triggered_by: str | None, status: str) -> None:
    pairs = described(kind, entity, triggered_by, status)
    workflow.upsert_search_attributes([pair.key.value_set(pair.value) for pair in pairs])
