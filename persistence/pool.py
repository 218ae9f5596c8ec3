"""What SQLAlchemy's pool does not do by itself: close connections that idle, tell of queries and of slow ones."""

from __future__ import annotations

import asyncio
import functools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

logger = structlog.get_logger(__name__)

IDLE = 60.0
"""Seconds after which the connections of a pool that nobody uses are closed."""
LONGEST_SHOWN = 500


Watch = Callable[[str, str, float, str | None], None]
"""Is told of every statement: operation, table, seconds, the type of the error that it ended with."""

_NAMES = r'(?:ONLY\s+)?(?:\w+\.)?"?(\w+)"?'
_STATEMENT = re.compile(
    rf"\s*(?:(INSERT)\s+INTO\s+{_NAMES}|(UPDATE)\s+{_NAMES}|(DELETE)\s+FROM\s+{_NAMES}"
    rf"|(SELECT)\b(?:.*?\bFROM\s+{_NAMES})?)",
    re.IGNORECASE | re.DOTALL,
)
OTHER = "other"


@functools.lru_cache(1024)
def operation_of(statement: str) -> tuple[str, str]:
    """What a statement does, and to which of our tables; `other` for what is none of them, so that there are only
    so many."""
    from codeai.persistence.tables import METADATA

    found = _STATEMENT.match(statement)
    if found is None:
        return OTHER, OTHER
    operation, table = next(
        (found[at].lower(), found[at + 1]) for at in range(1, 9, 2) if found[at] is not None
    )
    return operation, table if table in METADATA.tables else OTHER


@dataclass(frozen=True, slots=True)
class Telling:
    """Tells `watch` of each statement, and logs a warning for one that takes longer than `threshold` seconds; never
    its values."""

    threshold: float = 0.1
    watch: Watch | None = None

    def ended(self, statement: str, seconds: float) -> None:
        """Postgres answered it."""
        if self.watch is not None:
            self.watch(*operation_of(statement), seconds, None)
        if seconds > self.threshold:
            logger.warning("slow query", seconds=round(seconds, 3), statement=statement[:LONGEST_SHOWN])

    def failed(self, statement: str, seconds: float, error: BaseException) -> None:
        """Postgres refused it, or did not answer."""
        if self.watch is not None:
            self.watch(*operation_of(statement), seconds, type(error).__name__)


def tell_of_queries(engine: AsyncEngine, telling: Telling) -> None:
    """Tells of every statement of the engine."""

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def begin(
        _connection: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool
    ) -> None:
        context.begun = time.perf_counter()

    @event.listens_for(engine.sync_engine, "after_cursor_execute")
    def end(_connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        telling.ended(statement, time.perf_counter() - context.begun)

    @event.listens_for(engine.sync_engine, "handle_error")
    def fail(failed: Any) -> None:
        begun = getattr(failed.execution_context, "begun", None)
        if begun is not None and failed.statement is not None:
            telling.failed(failed.statement, time.perf_counter() - begun, failed.original_exception)


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
