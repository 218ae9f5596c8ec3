"""The pace: how fast requests may follow each other to one origin."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

Rate = tuple[int, int]
"""Requests a second, and how many at once after a rest."""


def next_turn(free_at: float, now: float, rate: Rate) -> tuple[float, float]:
    """How long a request waits, and what is kept for the next: the time at which nothing would be owed any more."""
    a_second, burst = rate
    owed_until = max(free_at, now) + 1 / a_second
    return max(0.0, owed_until - now - burst / a_second), owed_until


class Pace:
    """Turns for requests, by origin. Without a rate nobody waits."""

    def __init__(self, rate: Rate | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._free_at: dict[str, float] = {}

    async def turn(self, origin: str) -> None:
        """Waits until the next request to `origin` may leave."""
        if self._rate is None:
            return
        now = self._clock()
        wait, self._free_at[origin] = next_turn(self._free_at.get(origin, now), now, self._rate)
        if len(self._free_at) > 1000:
            self._free_at = {each: free_at for each, free_at in self._free_at.items() if free_at > now}
        if wait > 0:
            await asyncio.sleep(wait)
