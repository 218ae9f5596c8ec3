"""Heartbeats of an activity that takes its time: Temporal learns that it lives, the activity that it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

EVERY = 2.0
"""Seconds; the time-out of such activities is 10."""


@asynccontextmanager
async def heartbeats() -> AsyncIterator[None]:
    """Heartbeats during the block."""
    beating = asyncio.create_task(_beat())
    try:
        yield
    finally:
        beating.cancel()


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(EVERY)
