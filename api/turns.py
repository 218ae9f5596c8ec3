"""What computes for long gives way: between its parts others have their turn on the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

LONG = 0.01
"""Seconds after which others have their turn."""


class Turns:
    """The turns of one computation, which begins now."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def give(self) -> None:
        """To be awaited between two parts. Others have their turn where the last one was some time ago."""
        if time.monotonic() - self._since > LONG:
            await asyncio.sleep(0)
            self._since = time.monotonic()


async def joined(shell: bytes, name: str, parts: Iterable[bytes]) -> bytes:
    """The JSON text `shell`, an object whose array `name` is empty, with these as the array's items. A page may have
    100 things of 2 MiB each."""
    begin, end = shell.split(f'"{name}":[]'.encode(), 1)
    turns, texts = Turns(), []
    for part in parts:
        texts.append(part)
        await turns.give()
    return b"".join((begin, f'"{name}":['.encode(), b",".join(texts), b"]", end))
