"""What a workflow decides, and whether its history has it yet.

A workflow task whose worker dies is done again, and then it may begin with commands that came meanwhile, have its
updates in another order, or have lost them with the server. What local activities wrote in it stays. So local
activities wait after a decision that such a task could take otherwise: a timer is sent with the task, and when it fires
the task is in the history.
"""

from __future__ import annotations

import asyncio

from temporalio import workflow

TRIP = 0.001
"""Seconds of the timer: what counts is that it ends the workflow task."""


class Settling:
    """Base of a workflow that decides by what it is told; one that continued as new begins with nothing open."""

    def __init__(self) -> None:
        self._trip: asyncio.Future[None] | None = None

    def decide(self) -> None:
        """Something was decided just now."""
        self._trip = asyncio.ensure_future(asyncio.sleep(TRIP))

    async def settles(self) -> None:
        """Until the history has all that was decided. Whoever waits goes on in one and the same workflow task. Not by
        `wait_condition`: that ends at a cancel of the workflow, whichever task waits."""
        while self._trip is not None and not self._trip.done():
            await asyncio.shield(self._trip)


async def turn_of_an_update() -> None:
    """Until what came before an update was told: a worker that takes the run up with it may be told that after it. The
    timer fires in a later workflow task, in which every telling has come (docs/decisions/0007)."""
    if workflow.current_update_info() is not None:
        await asyncio.sleep(TRIP)


async def settled() -> None:
    """Until the history has all that the workflow, if it is one that decides, has decided."""
    own = workflow.instance()
    if isinstance(own, Settling):
        await own.settles()
