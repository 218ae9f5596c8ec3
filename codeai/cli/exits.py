"""How commands end (★): the exit codes, and the one exception that is answered by a line."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of `codeai`, each with its `meaning`."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Exit:
        one = int.__new__(cls, code)
        one._value_, one.meaning = code, meaning
        return one

    OK = 0, "done; a run that was followed is complete"
    FAILED = 1, "the command failed, or the run: failed, cancelled, compensated or rejected"
    INVALID = 2, "the program, its inputs or the command line is not valid"
    PARKED = 3, "the run is parked (with --no-wait-parked)"
    DETACHED = 130, "Ctrl-C: the run goes on"


class Stop(Exception):
    """Ends the command with one clear line: what happened and what to do."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code


class Done(Exception):
    """Ends the command with a code; everything was said."""

    def __init__(self, code: Exit) -> None:
        super().__init__(str(int(code)))
        self.code = code
