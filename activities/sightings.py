"""Sightings: the row of a host says that it is there, and which spool it has."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime

from codeai.activities.holding import until_it_holds
from codeai.persistence.engine import Database
from codeai.persistence.hosts import Hosts

EVERY = 60.0
"""Seconds between two of them."""


async def keep_seen(database: Database, host: str, spool: str) -> None:
    """Never returns. A database that is away is waited for."""

    async def seen() -> None:
        async with database.single() as rows:
            await Hosts(rows).seen(host, socket.gethostname(), spool, datetime.now(UTC))

    while True:
        await until_it_holds(seen, "host seen")
        await asyncio.sleep(EVERY)
