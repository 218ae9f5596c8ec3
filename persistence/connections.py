"""Connections for those who only read, taken and given back without a turn of the event loop.

asyncpg's own pool resets each one that comes back, in a task, which costs as much as asking for a row. Where no
statement leaves anything behind there is nothing to reset."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import asyncpg

from codeai.persistence.engine import RECYCLE
from codeai.persistence.pool import IDLE

LETTING_GO = 2.0
"""Seconds that Postgres has to end a statement whose asker has gone; then the connection is cut."""
CLOSING = 5.0
"""Seconds that those who have a connection get when all are closed."""


class Connections:
    """At most `most`, made by `connect` when they are needed. The one that came back last is taken first, so that the
    others idle, and are closed."""

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]], most: int) -> None:
        self._connect = connect
        self._most = most
        self._places = asyncio.Semaphore(most)
        self._made_at: dict[asyncpg.Connection, float] = {}
        self._free: dict[asyncpg.Connection, float] = {}
        """Since when nobody has them, the latest at the end."""
        self._none_before = float("-inf")
        self._looking: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def in_use(self) -> int:
        """How many somebody has just now."""
        return len(self._made_at) - len(self._free)

    async def take(self) -> asyncpg.Connection:
        """One for the caller alone, who gives it back or lets it go. Raises what connecting raises."""
        await self._places.acquire()
        try:
            while self._free:
                connection, _ = self._free.popitem()
                if self._is_good(connection):
                    return connection
                self._end(connection)
            made = await self._connect()
        except BaseException:
            self._places.release()
            raise
        self._made_at[made] = time.monotonic()
        return made

    def give(self, connection: asyncpg.Connection) -> None:
        """Takes back one whose last statement has been answered."""
        if self._is_good(connection):
            self._free[connection] = time.monotonic()
            if self._looking is None:
                self._looking = asyncio.get_running_loop().call_later(IDLE, self._look)
        else:
            self._end(connection)
        self._places.release()

    async def let_go(self, connection: asyncpg.Connection) -> None:
        """Takes back one whose last statement is not answered, when Postgres has ended that: soon, whoever waits."""
        await asyncio.shield(self._begun(self._ended(connection)))

    def expire(self) -> None:
        """None of those that there are is taken again: Postgres has cut one, as it cuts all when it restarts."""
        self._none_before = time.monotonic()

    async def close(self) -> None:
        """Closes them all; those that are not given back in time are cut."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                for _ in range(self._most):
                    await self._places.acquire()
        if self._looking is not None:
            self._looking.cancel()
        for connection in list(self._made_at):
            if connection in self._free:
                self._end(connection)
            else:
                connection.terminate()
        await asyncio.gather(*self._tasks)

    def _is_good(self, connection: asyncpg.Connection) -> bool:
        made_at = self._made_at[connection]
        old = made_at <= self._none_before or made_at + RECYCLE < time.monotonic()
        return not old and not connection.is_closed()

    def _look(self) -> None:
        """Closes those that nobody has had for a while."""
        now = time.monotonic()
        for connection in [one for one, since in self._free.items() if since + IDLE <= now]:
            del self._free[connection]
            self._end(connection)
        longest = min(self._free.values(), default=None)
        self._looking = (
            None
            if longest is None
            else asyncio.get_running_loop().call_later(longest + IDLE - now, self._look)
        )

    def _end(self, connection: asyncpg.Connection) -> None:
        del self._made_at[connection]
        self._begun(_closed(connection))

    async def _ended(self, connection: asyncpg.Connection) -> None:
        try:
            async with asyncio.timeout(LETTING_GO):
                await connection.execute("SELECT 1")  # is sent when the other has ended
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection.terminate()
        self.give(connection)

    def _begun(self, doing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _closed(connection: asyncpg.Connection) -> None:
    """Says goodbye, or not for long."""
    with suppress(TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        await connection.close(timeout=LETTING_GO)
