"""Whether there is room for more runs: on a full disk they would only fail, and take others with them."""

from __future__ import annotations

import shutil
from pathlib import Path

from codeai.api.problems import Refused

LEAST_FREE = 0.05
"""The part of a disk that has to be free for a run to start."""


def refuse_if_full(folder: Path) -> None:
    """Raises Refused(disk) where the disk that has the folder is nearly full."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:  # not there (any more): nothing can be said
        return
    if usage.free < LEAST_FREE * usage.total:
        raise Refused(
            "disk",
            f"only {usage.free / usage.total:.1%} of the disk with {folder} is free, and {LEAST_FREE:.0%} have to be: "
            "make room, then start it again",
        )
