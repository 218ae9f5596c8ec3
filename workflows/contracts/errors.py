"""The error of a run, as programs, results, rows and the API show it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from codeai.workflows.contracts.base import Exchanged

TERMINATED = "terminated"
"""The kind of a run's error that Temporal has terminated: it could write nothing of its end."""
NOTHING_KEPT = (
    "no state of this run was kept: it never began, or it was ended by force before it parked or continued as new; "
    "its steps say what it did; take that back by hand, or start it anew"
)
"""Why an ended run cannot be taken up again."""
TOO_MUCH_KEPT = (
    "the state of this run is too large for Temporal to hand over: its steps say what it did; take that back by hand, "
    "or start it anew, with what it holds in files"
)
"""Why one is not taken up again whose state was kept."""
NOTHING_LEFT = "there is nothing left to undo in this run"
"""Why one is not compensated that has been, or has done nothing that can be undone."""


class RunError(Exchanged):
    """Why a run or a step failed. `kind` is one of the language's kinds (LANGUAGE.md, 6)."""

    kind: str
    message: str
    line: int | None = None
    exit_code: int | None = None
    stderr: str | None = None
    errors: tuple[Any, ...] | None = Field(None, description="of a parallel that collects, in item order")
    details: tuple[Any, ...] | None = Field(None, description="of invalid_input: every field's error")
