"""Reading without sessions: statements are built by SQLAlchemy's Core and asked of asyncpg itself, which takes a tenth
of the computing. What may only read needs no transactions, and no connection for longer than one answer takes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import asyncpg
from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.engine.result import IteratorResult, Result, SimpleResultMetaData
from sqlalchemy.exc import DBAPIError

from codeai.persistence.connections import Connections
from codeai.persistence.engine import OVERFLOW, POOL_SIZE, Address
from codeai.persistence.pool import Telling

_NO_ANSWER = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
_FAREWELL = (asyncpg.InternalClientError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError)
"""What is raised on a connection that Postgres ends, before or after it was asked."""
_AWAY_STATES = ("08", "53", "57")
"""SQLSTATE classes: connection exception, insufficient resources, operator intervention."""
_DIALECT = dialect()  # type: ignore[no-untyped-call]


class Away(Exception):
    """Postgres does not answer, or not now."""


class TookTooLong(Exception):
    """The statement was ended: it took longer than the `seconds` that it had."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"it took more than {seconds:g} s")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Reads:
    """The database as those see it who only read. Repositories ask it as they ask a session."""

    address: Address
    connections: Connections
    telling: Telling
    time_limit: float | None = None

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        address: Address,
        telling: Telling = Telling(),
        *,
        connect_timeout: float = 10.0,
        label: str = "codeai",
    ) -> AsyncIterator[Reads]:
        """A pool on `address`; the first connection is made when the first question is asked. `connect_timeout` is in
        seconds, `label` is what Postgres shows as the application's name."""

        async def connect() -> asyncpg.Connection:
            connection: asyncpg.Connection = await asyncpg.connect(
                **address.arguments(), timeout=connect_timeout, server_settings={"application_name": label}
            )
            await connection.set_type_codec("uuid", schema="pg_catalog", encoder=str, decoder=str)
            return connection

        connections = Connections(connect, POOL_SIZE + OVERFLOW)
        try:
            yield cls(address, connections, telling)
        finally:
            await connections.close()

    def within(self, seconds: float) -> Reads:
        """The same, where Postgres ends what takes longer: TookTooLong."""
        return replace(self, time_limit=seconds)

    async def execute(self, statement: Any, values: Mapping[str, Any] | None = None, /) -> Result[Any]:
        """The rows of a statement. `values` are those of its parameters that have none yet; a statement that is kept
        and asked again is made SQL once.

        Raises Away, TookTooLong, and what a session raises for what Postgres refuses (DBAPIError).
        """
        question = _question(statement)
        records = await self._answer(question.sql, question.arguments(values or {}))
        return IteratorResult(question.columns, iter(records))

    async def answers(self) -> None:
        """Asks the database for nothing. Raises Away."""
        await self._answer("SELECT 1", [])

    def connections_in_use(self) -> int:
        """How many connections somebody has just now."""
        return self.connections.in_use()

    async def _answer(self, sql: str, arguments: list[Any]) -> list[asyncpg.Record]:
        """Asks once more where the connection turns out to have died in the pool, as all do when Postgres restarts."""
        try:
            return await self._asked(sql, arguments)
        except _Died:
            self.connections.expire()
            return await self._asked(sql, arguments)

    async def _asked(self, sql: str, arguments: list[Any]) -> list[asyncpg.Record]:
        try:
            connection = await self.connections.take()
        except _NO_ANSWER as error:
            raise Away from error
        begun = time.perf_counter()
        answered = True
        try:
            if self.time_limit is None:
                found = await connection.fetch(sql, *arguments)
            else:
                async with connection.transaction(readonly=True):
                    milliseconds = str(int(self.time_limit * 1000))
                    await connection.execute("SELECT set_config('statement_timeout', $1, true)", milliseconds)
                    found = await connection.fetch(sql, *arguments)
        except _FAREWELL as error:  # the end of the connection itself is still on its way
            self.telling.failed(sql, time.perf_counter() - begun, error)
            connection.terminate()
            raise _Died from error
        except _NO_ANSWER as error:
            self.telling.failed(sql, time.perf_counter() - begun, error)
            if connection.is_closed():
                raise _Died from error
            if self.time_limit is not None and isinstance(error, asyncpg.QueryCanceledError):
                raise TookTooLong(self.time_limit) from error
            if isinstance(error, asyncpg.PostgresError):
                raise _as_refused(sql, error) from error
            raise
        except BaseException:  # who asked does not wait for the answer
            answered = False
            raise
        finally:
            if answered:
                self.connections.give(connection)
            else:
                await self.connections.let_go(connection)
        self.telling.ended(sql, time.perf_counter() - begun)
        return found


class _Died(Away):
    """The connection is gone."""


def _as_refused(sql: str, error: asyncpg.PostgresError) -> Exception:
    if str(error.sqlstate).startswith(_AWAY_STATES):
        return Away()
    return DBAPIError(sql, None, error)


@dataclass(frozen=True, slots=True)
class _Question:
    """A statement as Postgres takes it: its parameters by their places, and those of them that have a value."""

    sql: str
    names: tuple[str, ...]
    known: Mapping[str, Any]
    stored: Mapping[str, Callable[[Any], Any]]
    columns: SimpleResultMetaData

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        known, stored = self.known, self.stored
        return [
            known[name]
            if name not in values
            else stored[name](values[name])
            if name in stored
            else values[name]
            for name in self.names
        ]


_QUESTIONS: WeakKeyDictionary[Select[Any], _Question] = WeakKeyDictionary()


def _question(statement: Select[Any]) -> _Question:
    known = _QUESTIONS.get(statement)
    if known is None:
        known = _QUESTIONS[statement] = _made(statement)
    return known


def _made(statement: Select[Any]) -> _Question:
    compiled = statement.compile(dialect=_DIALECT)
    state = compiled.construct_expanded_state()
    names = tuple(state.positiontup or ())
    # Of a list's values each has a name of its own, and its list's way of being stored.
    stored: dict[str, Callable[[Any], Any]] = dict(state.processors)
    for name in names:
        if name in compiled.binds:
            type = compiled.binds[name].type
            if (process := type.dialect_impl(_DIALECT).bind_processor(_DIALECT)) is not None:
                stored[name] = process
    known = {
        name: stored[name](value) if name in stored else value for name, value in state.parameters.items()
    }
    columns = SimpleResultMetaData([str(column["name"]) for column in statement.column_descriptions])
    return _Question(state.statement, names, known, stored, columns)
