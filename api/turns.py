"""What computes for long gives way: between its parts others have their turn on the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

LONG = 0.01
"""Seconds after which others have their turn."""


async def joined(shell: bytes, name: str, parts: Iterable[bytes]) -> bytes:
    """The JSON text `shell`, an object whose array `name` is empty, with these as the array's items. Between them
    others have their turn: a page may have 100 things of 2 MiB each."""
    begin, end = shell.split(f'"{name}":[]'.encode(), 1)
    texts: list[bytes] = []
    since = time.monotonic()
    for part in parts:
        texts.append(part)
        if time.monotonic() - since > LONG:
            await asyncio.sleep(0)
            since = time.monotonic()
    return b"".join((begin, f'"{name}":['.encode(), b",".join(texts), b"]", end))
