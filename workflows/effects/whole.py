"""Work that a cancel does not break off: what it has begun elsewhere would go on without anybody who knows of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from temporalio import workflow

Answer = TypeVar("Answer")


async def whole(work: Awaitable[Answer]) -> tuple[asyncio.Future[Answer], bool]:
    """`work` when it is done, and whether somebody has cancelled meanwhile."""
    task, is_cancelled = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await workflow.wait([task])
        except asyncio.CancelledError:
            is_cancelled = True
    return task, is_cancelled
