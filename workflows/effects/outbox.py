"""How much a run sends to Temporal: one input at most, and one workflow task at most.

Temporal takes no input of over 2 MiB: its workflow task fails for ever. It ends a run by force whose commands of one
task have over 4 MiB together, and undoes nothing (PLATFORM.md, 1). So what is sent is measured as it is sent.
"""

from __future__ import annotations

import asyncio

from codeai.dsl.faults import Fault
from codeai.workflows.contracts.base import Contract
from codeai.workflows.settling import TRIP

MOST_OF_ONE = 1_900_000
"""Bytes of one input."""
MOST_AT_ONCE = 2 * 2**20
"""Bytes of the inputs of one workflow task."""


def must_fit(given: Contract, what: str) -> int:
    """Its size. Raises Fault(limit) where no task takes it."""
    size = given.json_size
    if size > MOST_OF_ONE:
        raise Fault(
            "limit",
            f"{what} is too large to be sent: {size:,} bytes as JSON, where control characters take six each, "
            f"of at most {MOST_OF_ONE:,}; hand it over in a file",
        )
    return size


class Outbox:
    """Counts what is sent, whatever tasks that was in: so it depends on nothing but what the run itself does."""

    def __init__(self) -> None:
        self._sent = 0
        self._next: asyncio.Task[None] | None = None

    async def room_for(self, given: Contract) -> None:
        """Comes back when it can be sent in the workflow task at hand."""
        size = given.json_size
        while self._sent and self._sent + size > MOST_AT_ONCE:
            self._next = self._next or asyncio.ensure_future(self._next_task())
            await asyncio.shield(self._next)
        self._sent += size

    async def _next_task(self) -> None:
        await asyncio.sleep(TRIP)
        self._sent, self._next = 0, None
