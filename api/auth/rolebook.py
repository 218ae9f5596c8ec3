"""The roles in force: read from the database, kept for a while, dropped when somebody changed them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import asyncpg
import structlog

from codeai.api.outages import no_database, reading
from codeai.api.problems import Refused
from codeai.persistence.access import CHANNEL, Roles
from codeai.persistence.notifications import notifications
from codeai.persistence.reads import Reads
from codeai.workflows.contracts.permissions import ADMIN, ROLES, Role

FRESH = 300.0
"""Seconds after which roles are read again, even where nobody told of a change."""
LONGEST = 3600.0
"""Seconds for which roles hold that cannot be read again."""
AGAIN_AFTER = 1.0
"""Seconds between two attempts to read, or to listen, while the database is away."""
READ_LIMIT = 0.5
"""Seconds that a request waits for roles while older ones would do."""
KNOWN = {ADMIN: ROLES[ADMIN]}
"""What holds without a database: nobody can change it."""

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class RoleBook:
    """What roles permit, asked for at every request."""

    database: Reads
    clock: Callable[[], float] = time.monotonic
    _roles: Mapping[str, Role] = field(default_factory=dict, init=False)
    _read_at: float = field(default=float("-inf"), init=False)
    _again_at: float = field(default=float("-inf"), init=False)
    _changes: int = field(default=0, init=False)
    _reading: asyncio.Task[None] | None = field(default=None, init=False)

    async def roles(self, named: Sequence[str]) -> Mapping[str, Role]:
        """The roles in force, for a caller with `named` ones. Raises Refused(no_database) where what these permit
        is not known, or has not been for an hour."""
        if not named:
            return {}
        if self.clock() >= self._again_at:
            await self._read()
        if self.clock() - self._read_at < LONGEST:
            return self._roles
        if ADMIN in named:
            return KNOWN
        raise no_database()

    def drop(self) -> None:
        """Has the roles read again before they are used: somebody changed them."""
        self._changes += 1
        self._again_at = float("-inf")

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[RoleBook]:
        """The book, which hears of changes while it is open."""
        task = asyncio.create_task(self._listen())
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _read(self) -> None:
        """Reads them once, however many requests wait; one that has older ones does not wait for long."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._renew())
        older = self.clock() - self._read_at < LONGEST
        try:
            async with asyncio.timeout(READ_LIMIT if older else None):
                await asyncio.shield(self._reading)
        except TimeoutError:
            self._again_at = self.clock() + AGAIN_AFTER

    async def _renew(self) -> None:
        before = self._changes
        try:
            async with reading(self.database) as rows:
                found = await Roles(rows).all()
        except Refused:
            logger.warning("roles not read", kept=bool(self._roles))
            self._again_at = self.clock() + AGAIN_AFTER
            return
        self._roles = {one.name: Role(frozenset(one.permissions), one.inherits) for one in found} | KNOWN
        self._read_at = self.clock()
        if before == self._changes:
            self._again_at = self.clock() + FRESH

    async def _listen(self) -> None:
        while True:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                async for _ in notifications(self.database.address, CHANNEL):
                    self.drop()
            await asyncio.sleep(AGAIN_AFTER)
