"""The database as the rest sees it: a pool of connections that gives out sessions and transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import QueuePool

from codeai.persistence.pool import IdleConnections, Telling, Watch, tell_of_queries

POOL_SIZE, OVERFLOW = 5, 20
SSLMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
"""libpq's words."""
RECYCLE = 300.0
"""Seconds after which a connection is replaced."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is and who we are there. The password stays out of `repr`."""

    host: str
    port: int
    name: str
    user: str
    password: str | None = None
    sslmode: SSLMode = "disable"

    def __repr__(self) -> str:
        return f"Address({self.user}@{self.host}:{self.port}/{self.name})"

    def as_user(self, user: str, password: str | None) -> Address:
        """The same database for somebody else."""
        return replace(self, user=user, password=password)

    def named(self, name: str) -> Address:
        """Another database of the same server."""
        return replace(self, name=name)

    def arguments(self) -> dict[str, Any]:
        """What asyncpg is given to connect."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "database": self.name,
            "ssl": self.sslmode,
        }

    def url(self) -> URL:
        return URL.create(
            "postgresql+asyncpg",
            self.user,
            self.password,
            self.host,
            self.port,
            self.name,
            {"ssl": self.sslmode},
        )


@dataclass(frozen=True, slots=True)
class Database:
    """A database in use. Repositories get a session from here and never commit themselves."""

    address: Address
    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]
    singles: async_sessionmaker[AsyncSession]

    @classmethod
    def connect(
        cls,
        address: Address,
        *,
        connect_timeout: float = 10.0,
        slow_query: float = 0.1,
        label: str = "codeai",
        ping: bool = True,
        watch: Watch | None = None,
    ) -> Database:
        """A pool on `address`; the first connection is made when the first question is asked.

        `connect_timeout` and `slow_query` (a statement that takes longer is logged) are in seconds; `label` is
        what Postgres shows as the application's name. Without `ping` a connection that broke while nobody used it
        is found out by the statement that meets it: for those who try again anyhow. `watch` is told of every
        statement.
        """
        engine = create_async_engine(
            address.url(),
            # All of them may stay: QueuePool closes what overflows as soon as it comes back, and a connection costs
            # as much as a hundred questions. Those that idle are closed below.
            pool_size=POOL_SIZE + OVERFLOW,
            max_overflow=0,
            pool_recycle=RECYCLE,
            pool_pre_ping=ping,
            pool_use_lifo=True,
            hide_parameters=True,
            connect_args={"timeout": connect_timeout, "server_settings": {"application_name": label}},
        )
        tell_of_queries(engine, Telling(slow_query, watch))
        IdleConnections(engine)
        single = engine.execution_options(isolation_level="AUTOCOMMIT")
        return cls(
            address,
            engine,
            async_sessionmaker(engine, expire_on_commit=False),
            async_sessionmaker(single, expire_on_commit=False),
        )

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session for reading: what it did is rolled back at its end."""
        async with self.sessions() as rows:
            yield rows

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session whose work is committed at the end of the block, and undone by an exception."""
        async with self.sessions.begin() as rows:
            yield rows

    @asynccontextmanager
    async def single(self) -> AsyncIterator[AsyncSession]:
        """A session whose every statement is a transaction of its own: a third of the round trips, for what is
        done by one statement."""
        async with self.singles() as rows:
            yield rows

    async def answers(self) -> None:
        """Asks the database for nothing. Raises what asyncpg or SQLAlchemy raise where it does not answer."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    def connections_in_use(self) -> int:
        """How many connections of the pool somebody has just now."""
        pool = self.engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    async def close(self) -> None:
        """Closes every connection of the pool."""
        await self.engine.dispose()
