"""What one caller may take: requests a second, and streams that are open at a time."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from codeai.api.problems import Refused
from codeai.integration.pace import Rate, next_turn

STREAMS = 20
"""Streams that one caller may have open at a time."""
ROUNDING = 1e-6
"""Seconds: what adding up fractions may be off by."""
MOST_KNOWN = 10_000
"""Callers whose pace is remembered; beyond them, those who have rested are forgotten."""


class Allowances:
    """Counts what callers take, in this process. Without a rate everybody may ask as often as he likes."""

    def __init__(self, rate: Rate | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._free_at: dict[str, float] = {}
        self._streams: Counter[str] = Counter()

    def request(self, subject: str) -> None:
        """One more request of this caller. Raises Refused(rate_limited), which says when to come again."""
        if self._rate is None:
            return
        now = self._clock()
        wait, free_at = next_turn(self._free_at.get(subject, now), now, self._rate)
        if wait > ROUNDING:
            a_second, burst = self._rate
            raise Refused(
                "rate_limited",
                f"a caller has {a_second} requests a second, {burst} at once; come again in {wait:.2f} s",
                headers={"Retry-After": str(math.ceil(wait))},
            )
        self._free_at[subject] = free_at
        if len(self._free_at) > MOST_KNOWN:
            self._free_at = {each: at for each, at in self._free_at.items() if at > now}

    @contextmanager
    def stream(self, subject: str) -> Iterator[None]:
        """One more open stream of this caller. Raises Refused(too_many_streams)."""
        if self._streams[subject] >= STREAMS:
            raise Refused(
                "too_many_streams", f"a caller has at most {STREAMS} streams open; close one and come again"
            )
        self._streams[subject] += 1
        try:
            yield
        finally:
            self._streams[subject] -= 1
            if not self._streams[subject]:
                del self._streams[subject]


class CallersStream(StreamingResponse):
    """An answer without a set end to one caller; it counts among his streams until it is closed, by whichever side."""

    def __init__(
        self,
        pieces: AsyncIterator[str],
        allowances: Allowances,
        subject: str,
        media_type: str = "text/event-stream",
    ) -> None:
        super().__init__(pieces, media_type=media_type)
        self._allowances = allowances
        self._subject = subject

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._allowances.stream(self._subject):
            await super().__call__(scope, receive, send)
