"""The first moments of a process that is meant to stay: it loads its parts, and has nothing to lose yet."""

from __future__ import annotations

import os
import signal


def end_when_told() -> None:
    """Until the process has handlers of its own, SIGTERM and Ctrl-C end it at once, and that is no failure."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: os._exit(0))
