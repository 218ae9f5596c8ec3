"""The labels of a host: which ones its workers serve, whichever of them is asked."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from codeai.activities.shell import formats


class Labels:
    """A worker holds a file of its label's name locked, for its life; "" is the label of those that have none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: list[int] = []

    def serve(self, label: str) -> None:
        """From now on a worker of the host serves it."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._folder / f"@{label}", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)  # others have it for as long as they look
        self._held.append(descriptor)

    def served(self) -> tuple[str, ...]:
        """All that have a worker now."""
        return tuple(sorted(file.name[1:] for file in self._folder.glob("@*") if _is_held(file)))

    def close(self) -> None:
        for descriptor in self._held:
            os.close(descriptor)
        self._held.clear()


def _is_held(file: Path) -> bool:
    descriptor = os.open(file, os.O_RDWR)
    try:
        return not formats.lock(descriptor)
    finally:
        os.close(descriptor)
