"""What it looks like when Postgres or Temporal is away, turned into problems in one place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.service import RPCError, RPCStatusCode

from codeai.api.problems import Refused
from codeai.persistence.pages import BadCursor
from codeai.persistence.reads import Away, Reads, TookTooLong

_TEMPORAL_AWAY = (
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.UNKNOWN,
    RPCStatusCode.INTERNAL,
    RPCStatusCode.ABORTED,
)
TASKS_FAIL = RPCStatusCode.FAILED_PRECONDITION
"""What Temporal says to an update or a query where a workflow's tasks have failed, or had no worker's answer, several
times in a row, or where it has had as many updates as it may (seen with 1.9)."""


@asynccontextmanager
async def reading(database: Reads) -> AsyncIterator[Reads]:
    """The database, whose errors are told as problems at once. Raises Refused as `by_database_error` has it."""
    try:
        yield database
    except NO_ROWS as error:
        raise by_database_error(error) from error


NO_ROWS = (Away, TookTooLong, BadCursor)
"""Why rows cannot be had."""


def by_database_error(error: Exception) -> Refused:
    """The problem behind one of NO_ROWS."""
    if isinstance(error, BadCursor):
        return Refused("invalid", str(error), errors=[{"field": "query.cursor", "message": str(error)}])
    if isinstance(error, TookTooLong):
        return Refused("too_slow", f"{error}; narrow it by its condition")
    return no_database()


def no_database() -> Refused:
    return Refused("no_database", "the database does not answer; try again in a moment")


def by_temporal_error(error: Exception) -> Refused | None:
    """The problem behind an error of Temporal's client; None where it is one of ours."""
    if not isinstance(error, RPCError):
        # What a client that never connected raises has no type of its own.
        return _no_temporal() if str(error).startswith("Failed client connect") else None
    if error.status in _TEMPORAL_AWAY:
        return _no_temporal()
    if error.status is RPCStatusCode.RESOURCE_EXHAUSTED:
        return Refused("busy", "Temporal has too much to do; try again in a moment")
    if error.status is TASKS_FAIL:
        return Refused("no_worker", "no worker does what Temporal has to do for this; try again in a moment")
    if error.status is RPCStatusCode.NOT_FOUND:
        return Refused("not_found", "Temporal knows nothing of it")
    return None


def _no_temporal() -> Refused:
    return Refused("no_temporal", "Temporal does not answer; try again in a moment")
