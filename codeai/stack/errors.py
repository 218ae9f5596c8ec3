"""Why the stack could not be started or reached: one clear line each."""

from __future__ import annotations


class StackError(Exception):
    """What happened, where, and what to do, in one line for the person at the terminal."""


class NotRunning(StackError):
    """Nothing that could be talked to."""

    def __init__(self) -> None:
        super().__init__("nothing is running here; start it with: codeai up")
