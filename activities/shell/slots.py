"""The slots of a host: how many commands run at a time, whoever attends them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from codeai.activities.shell import formats

_LOOK = 0.01  # seconds between two looks for a free slot


class Slots:
    """A slot is a locked file. Its descriptor goes to the supervisor, so the slot is held as long as the
    command runs, also when the worker is gone, and by nobody when the spawn did not happen."""

    def __init__(self, folder: Path, count: int) -> None:
        self._files = [folder / str(number) for number in range(count)]
        self._turn = asyncio.Lock()  # those who wait get their slot in the order in which they came

    async def take(self) -> int:
        """A descriptor that holds a slot until its last copy is closed; waits for a free one."""
        async with self._turn:
            while (slot := self._free()) is None:  # noqa: ASYNC110 - no event tells of another process's end
                await asyncio.sleep(_LOOK)
            return slot

    def busy(self) -> int:
        """How many slots are held."""
        return sum(not _is_free(file) for file in self._files)

    def _free(self) -> int | None:
        for file in self._files:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
            if formats.lock(descriptor):
                return descriptor
            os.close(descriptor)
        return None


def _is_free(file: Path) -> bool:
    try:
        descriptor = os.open(file, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        return formats.lock(descriptor, shared=True)
    finally:
        os.close(descriptor)
