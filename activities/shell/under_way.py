"""Commands under way on a host, as its folder tells: for who has no worker at hand, and loads none."""

from __future__ import annotations

import time
from pathlib import Path

from codeai.activities.shell import formats
from codeai.activities.shell.spool import Attempt, Running, Spool


def running(root: Path) -> int:
    """How many commands are under way on the host at `root`. Needs no worker."""
    return len(_alive(root))


def _alive(root: Path) -> list[Attempt]:
    if not (root / "spool").is_dir():
        return []
    return [
        attempt for attempt in Spool.open(root / "spool").attempts() if isinstance(attempt.look(), Running)
    ]


def kill_all(root: Path) -> int:
    """Ends every command of the host at `root`, with its grace, and waits for that; how many there were.
    Needs no worker. Their steps are told `lost` when a worker comes."""
    told: set[str] = set()
    while attempts := _alive(root):
        for attempt in attempts:
            if attempt.key not in told and attempt.say(formats.KILL):
                told.add(attempt.key)
        time.sleep(0.02)
    return len(told)
