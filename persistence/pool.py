"""What SQLAlchemy's pool does not do by itself: close connections that idle, tell of slow queries."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import structlog
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

logger = structlog.get_logger(__name__)

IDLE = 60.0
"""Seconds after which the connections of a pool that nobody uses are closed."""
LONGEST_SHOWN = 500


def tell_of_slow_queries(engine: AsyncEngine, threshold: float) -> None:
    """Logs a warning for each statement that takes longer than `threshold` seconds; never its values."""

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def begin(
        _connection: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool
    ) -> None:
        context.begun = time.perf_counter()

    @event.listens_for(engine.sync_engine, "after_cursor_execute")
    def end(_connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        seconds = time.perf_counter() - context.begun
        if seconds > threshold:
            logger.warning("slow query", seconds=round(seconds, 3), statement=statement[:LONGEST_SHOWN])


class IdleConnections:
    """Closes them, a while after the last one came back to the pool."""

    def __init__(self, engine: AsyncEngine, idle: float = IDLE) -> None:
        self._engine = engine
        self._idle = idle
        self._used = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None
        # A pool that takes this one's place after a dispose() has the same listeners.
        event.listen(engine.sync_engine.pool, "checkin", self._came_back)

    def _came_back(self, *_: object) -> None:
        self._used = time.monotonic()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._idle, self._look)

    def _look(self) -> None:
        self._timer = None
        left = self._used + self._idle - time.monotonic()
        loop = asyncio.get_running_loop()
        if left > 0:
            self._timer = loop.call_later(left, self._look)
        elif isinstance(pool := self._engine.pool, QueuePool) and pool.checkedout() == 0:
            self._closing = loop.create_task(self._engine.dispose())
