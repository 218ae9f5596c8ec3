"""What it looks like when Postgres or Temporal is away, turned into problems in one place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio.service import RPCError, RPCStatusCode

from codeai.api.problems import Refused
from codeai.persistence.engine import Database
from codeai.persistence.pages import BadCursor
from codeai.persistence.query import LIMITED, TIME_LIMIT

_AWAY = (
    OperationalError,
    InterfaceError,
    PoolTimeout,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)
_AWAY_STATES = ("08", "53", "57")
"""SQLSTATE classes: connection exception, insufficient resources, operator intervention."""
TOOK_TOO_LONG = "57014"
"""The SQLSTATE of a statement that was ended, by its time-out above all."""
_TEMPORAL_AWAY = (
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.UNKNOWN,
    RPCStatusCode.INTERNAL,
    RPCStatusCode.ABORTED,
)


@asynccontextmanager
async def reading(database: Database) -> AsyncIterator[AsyncSession]:
    """A session for reading. Raises Refused(no_database) where Postgres does not answer, and
    Refused(invalid) for a cursor that is none."""
    try:
        async with database.session() as rows:
            yield rows
    except BadCursor as error:
        raise Refused(
            "invalid", str(error), errors=[{"field": "query.cursor", "message": str(error)}]
        ) from None
    except _AWAY as error:
        raise no_database() from error
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or ""
        if state == TOOK_TOO_LONG and rows.info.get(LIMITED):
            raise Refused(
                "too_slow", f"it took more than {TIME_LIMIT:g} s; narrow it by its condition"
            ) from None
        if error.connection_invalidated or state.startswith(_AWAY_STATES):
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
