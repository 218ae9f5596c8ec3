"""Between the machine and what travels: errors, and the ids of steps."""

from __future__ import annotations

import uuid

from temporalio import workflow

from codeai.dsl.values import ErrorValue, to_result
from codeai.workflows.contracts.errors import RunError


def step_id(execution_id: str, key: str) -> str:
    """The UUID of a step (`key` is its number): the same on every attempt and every replay."""
    return str(uuid.uuid5(uuid.UUID(execution_id), key))


def note_id(name: str) -> str:
    """The UUID of what a run notes beside its steps. By a name and not by chance: a workflow task that is done again
    may take other updates, and must not give the id of one note to another."""
    return str(uuid.uuid5(uuid.UUID(workflow.info().run_id), name))


def run_error(error: ErrorValue) -> RunError:
    """The error of a program as results and rows show it."""
    plain = to_result(error)
    return RunError(
        kind=error.kind,
        message=error.message,
        line=error.line,
        exit_code=plain.get("exit_code"),
        stderr=plain.get("stderr"),
        errors=tuple(plain["errors"]) if "errors" in plain else None,
    )
