"""`Reconcile`: rows that disagree with Temporal are mended, page by page."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from codeai.workflows.contracts.base import Contract, UuidText
from codeai.workflows.contracts.lanes import Whereabouts


class ReconcilePass(Contract):
    """One pass over everything, and where it stands."""

    began: float = Field(description="seconds since 1970")
    since: float = Field(description="runs that started before have been looked at by earlier passes")
    stage: Literal["rows", "runs", "commands", "done"] = "rows"
    place: str | None = Field(None, description="where the next page of the stage begins")
    silent: tuple[str, ...] = Field((), description="hosts that have not answered this pass")
    mended: int = 0
    made: int = 0
    ended: int = 0


class ReconcileInput(Contract):
    """Everything, or one run alone."""

    execution: UuidText | None = None
    triggered_by: str | None = None
    carried: ReconcilePass | None = Field(
        None, description="set by the workflow itself when it continues as new"
    )


class ReconcileResult(Contract):
    """What a pass has done: rows `mended` and `made`, commands of ended runs `ended`."""

    began: float = Field(description="the next pass looks at runs from here on")
    mended: int = 0
    made: int = 0
    ended: int = 0


class MendRows(Contract):
    """One page of the rows of runs that have not ended, or one of them alone."""

    execution: str | None = None
    place: str | None = None
    since: float | None = Field(
        None, description="what was stored since then is told to those who wait for it still; none: nothing"
    )


class MakeRows(Contract):
    """One page of the runs that Temporal knows, from those that started since then."""

    since: float
    place: str | None = None


class PageDone(Contract):
    """How many rows of a page were not as they should be, and where the next page begins; none after the last."""

    count: int
    next: str | None = None


class FindCommands(Contract):
    """One page of the commands of runs that have ended, of all of them or of one."""

    execution: str | None = None
    place: str | None = None


class CommandsLeft(Contract):
    """Where such commands may still run, and where the next page begins; none after the last."""

    commands: tuple[Whereabouts, ...] = ()
    next: str | None = None
