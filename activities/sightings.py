"""Sightings: the row of a host says that it is there, which spool it has, whom it serves and how busy it is."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import UTC, datetime
from functools import partial

import structlog

from codeai.activities.holding import until_it_holds
from codeai.activities.shell.host import ShellHost
from codeai.persistence.engine import Database
from codeai.persistence.hosts import Hosts, Sighting

EVERY = 60.0
"""Seconds between two of them where nothing changes."""
LOOK = 5.0
"""Seconds between two looks whether something has."""

log = structlog.get_logger(__name__)


async def keep_seen(database: Database, host: ShellHost) -> None:
    """Never returns. A database that is away is waited for."""
    told, due = None, 0.0
    while True:
        try:
            now = await asyncio.to_thread(sighting, host)
        except OSError as error:  # it has no file left to open: it is there all the same
            log.warning("the host could not be looked at", error=str(error))
            await asyncio.sleep(LOOK)
            continue
        if now != told or time.monotonic() >= due:
            await until_it_holds(partial(_write, database, now), "host seen")
            told, due = now, time.monotonic() + EVERY
        await asyncio.sleep(LOOK)


def sighting(host: ShellHost) -> Sighting:
    """The host as it is now, whichever of its workers is asked."""
    return Sighting(
        id=host.id,
        name=socket.gethostname(),
        spool_id=host.spool_id,
        labels=host.labels.served(),
        slots=host.slots.count,
        slots_taken=host.slots.busy(),
    )


async def _write(database: Database, sighting: Sighting) -> None:
    async with database.single() as rows:
        await Hosts(rows).seen(sighting, datetime.now(UTC))
