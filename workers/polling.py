"""Temporal workers that begin and end as one: told to stop, or because one of them broke."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import structlog
from temporalio.worker import Worker

logger = structlog.get_logger(__name__)

MARGIN = 5.0
"""Seconds that a worker has to end, beyond those of its running activities. What it leaves undone then is done by
another, as after a crash."""


class Ending:
    """Why and when a worker process ends."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._error: BaseException | None = None

    def ask(self) -> None:
        """Somebody wants it to stop."""
        self._event.set()

    async def broke(self, error: BaseException) -> None:
        """A part of it cannot go on, so that nothing is gained by the others."""
        if not self._event.is_set():
            self._error = error
            self._event.set()

    @property
    def is_near(self) -> bool:
        return self._event.is_set()

    async def wait(self) -> None:
        await self._event.wait()

    def raise_what_broke(self) -> None:
        """Raises the error that was the reason, if one was."""
        if self._error is not None:
            raise self._error


@contextlib.asynccontextmanager
async def polling(workers: Sequence[Worker], ending: Ending, drain_timeout: float) -> AsyncIterator[None]:
    """Runs the workers during the block. `Worker`'s own `async with` would cancel the block from outside, once for
    each that breaks, and wait without limit for one that does not end."""
    runs = [asyncio.ensure_future(_run(worker, ending)) for worker in workers]
    try:
        yield
    finally:
        stops = [asyncio.ensure_future(worker.shutdown()) for worker in workers]
        _, left = await asyncio.wait(runs, timeout=drain_timeout + MARGIN)
        if left:
            logger.warning("some work does not end; another worker will do it", workers=len(left))
        for one in (*stops, *left):
            one.cancel()


async def _run(worker: Worker, ending: Ending) -> None:
    try:
        await worker.run()
    except Exception as error:  # noqa: BLE001 - raised at the process's end
        await ending.broke(error)
