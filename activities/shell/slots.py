"""The slots of a host: how many commands run at a time, whoever attends them."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from codeai.activities.shell import formats

HOLD = 10.0
"""Seconds that a slot is held for a run that was taken, until its first command comes."""
_LOOK = 0.01  # seconds between two looks for a free slot


class Slots:
    """A slot is a locked file. Its descriptor goes to the supervisor, so the slot is held as long as the
    command runs, also when the worker is gone, and by nobody when the spawn did not happen.

    A hold keeps a slot from other runs that would come here, not from the commands of those that are here."""

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder
        self._files = [folder / str(number) for number in range(count)]
        self._turn = asyncio.Lock()  # those who wait get their slot in the order in which they came

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._files)

    async def take(self, execution: str) -> int:
        """A descriptor that holds a slot until its last copy is closed; waits for a free one."""
        async with self._turn:
            while (slot := self._free()) is None:  # noqa: ASYNC110 - no event tells of another process's end
                await asyncio.sleep(_LOOK)
            self._hold_of(execution).unlink(missing_ok=True)
            return slot

    def hold(self, execution: str, *, heed_others: bool) -> bool:
        """Holds a slot for the run's first command, if one is free; with `heed_others` one that no other run holds.
        Whichever worker of the host is asked."""
        turn = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if not formats.lock(turn):  # another worker is just looking
                return False
            free = self.count - self.busy()
            held = self._held(execution) if heed_others else 0
            if free <= held:
                return False
            self._hold_of(execution).touch()
            return True
        finally:
            os.close(turn)

    def _held(self, execution: str) -> int:
        """How many slots are held for other runs; holds that are over go."""
        held = 0
        for file in self._folder.glob("hold.*"):
            try:
                is_over = abs(time.time() - file.stat().st_mtime) > HOLD  # whatever the clock was set to
            except FileNotFoundError:
                continue
            if is_over:
                file.unlink(missing_ok=True)
            elif file != self._hold_of(execution):
                held += 1
        return held

    def _hold_of(self, execution: str) -> Path:
        return self._folder / f"hold.{execution}"

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
