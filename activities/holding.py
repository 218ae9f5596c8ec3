"""What has to be written is tried again until it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

Held = TypeVar("Held")

_log = structlog.get_logger(__name__)


async def until_it_holds(write: Callable[[], Awaitable[Held]], what: str) -> Held:
    """A breakdown of the database delays a step, it never loses or ends one."""
    pause = 0.1
    while True:
        try:
            return await write()
        except Exception as error:  # noqa: BLE001 - whatever keeps the record from holding is waited out, and logged
            # The first line: the others may hold what was to be written.
            why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            _log.warning("a step's record does not hold yet", fact=what, error=why, again_in=pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, 5.0)
