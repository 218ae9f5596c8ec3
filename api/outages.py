"""What it looks like when Postgres or Temporal is away, turned into problems in one place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError
from temporalio.service import RPCError, RPCStatusCode

from codeai.api.problems import Refused
from codeai.persistence.pages import BadCursor
from codeai.persistence.reads import Reads, TookTooLong

_AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
_AWAY_STATES = ("08", "53", "57")
"""SQLSTATE classes: connection exception, insufficient resources, operator intervention."""
_TEMPORAL_AWAY = (
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.UNKNOWN,
    RPCStatusCode.INTERNAL,
    RPCStatusCode.ABORTED,
)


@asynccontextmanager
async def reading(database: Reads, within: float | None = None) -> AsyncIterator[Reads]:
    """The database, where each statement may take `within` seconds. Raises Refused: no_database where Postgres does
    not answer, invalid for a cursor that is none, too_slow."""
    try:
        yield database if within is None else database.within(within)
    except BadCursor as error:
        raise Refused(
            "invalid", str(error), errors=[{"field": "query.cursor", "message": str(error)}]
        ) from None
    except _AWAY as error:
        raise no_database() from error
    except TookTooLong:
        raise Refused("too_slow", f"it took more than {within:g} s; narrow it by its condition") from None
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", "").startswith(_AWAY_STATES):
            raise no_database() from error
        raise


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
    if error.status is RPCStatusCode.NOT_FOUND:
        return Refused("not_found", "Temporal knows nothing of it")
    return None


def _no_temporal() -> Refused:
    return Refused("no_temporal", "Temporal does not answer; try again in a moment")
