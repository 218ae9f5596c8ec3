"""Between the machine and what travels: errors, and the ids of steps."""

from __future__ import annotations

import json
import uuid
from typing import Any

from temporalio import workflow

from codeai.dsl.brief import brief
from codeai.dsl.values import ErrorValue, to_result
from codeai.workflows.contracts.errors import RunError

MOST_ERROR = 1_200_000
"""Bytes of an error as JSON; of a longer one the beginning of its message is told."""
MOST_RESULT = 1_800_000
"""Bytes of a result as JSON."""
SHORT = 2000


def step_id(execution_id: str, key: str) -> str:
    """The UUID of a step (`key` is its number): the same on every attempt and every replay."""
    return str(uuid.uuid5(uuid.UUID(execution_id), key))


def note_id(name: str) -> str:
    """The UUID of what a run notes beside its steps. By a name and not by chance: a workflow task that is done again
    may take other updates, and must not give the id of one note to another."""
    return str(uuid.uuid5(uuid.UUID(workflow.info().run_id), name))


def error_of_result(result: Any) -> RunError | None:
    """Why a run cannot end with what its program returns, if so."""
    if len(json.dumps(result, ensure_ascii=False).encode()) <= MOST_RESULT:
        return None
    message = f"what the program returns has over {MOST_RESULT:,} bytes as JSON: leave it in a file of the workspace"
    return RunError(kind="limit", message=message)


def run_error(error: ErrorValue) -> RunError:
    """The error of a program as results and rows show it."""
    plain = to_result(error)
    made = RunError(
        kind=error.kind,
        message=error.message,
        line=error.line,
        exit_code=plain.get("exit_code"),
        stderr=plain.get("stderr"),
        errors=tuple(plain["errors"]) if "errors" in plain else None,
    )
    if made.json_size <= MOST_ERROR:
        return made
    # Temporal has its message twice, and takes 2 MiB.
    return RunError(
        kind=error.kind, message=brief(error.message, SHORT), line=error.line, exit_code=error.exit_code
    )
