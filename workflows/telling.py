"""What somebody said to a run, as its log and the audit log have it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from temporalio import workflow

from codeai.workflows.contracts.commands import Command
from codeai.workflows.contracts.steps import LogLine, Told
from codeai.workflows.states import note_id

SIGNAL: ContextVar[int] = ContextVar("signal", default=0)
"""Which of the run's signals a handler is for: they are in the history in their order, whatever else comes."""


def noted(word: str, given: Command, details: dict[str, Any]) -> tuple[Told, LogLine]:
    """A command that a handler takes, or refuses (`refused` among the details, and why)."""
    known = {key: one for key, one in details.items() if one is not None}
    if given.comment is not None:
        known["comment"] = given.comment
    told = Told(
        id=note_id(_source()),
        at=workflow.time(),
        by=given.by,
        via=given.via,
        word=word,
        request_id=given.request_id,
        workflow_id=workflow.info().workflow_id,
        details=known,
    )
    level = "warn" if "refused" in known else "info"
    return told, LogLine(step_id=told.id, level=level, text=_said(told), time=told.at, kept=True)


def _source() -> str:
    """What names the command that is being handled."""
    update = workflow.current_update_info()
    return f"update/{update.id}" if update is not None else f"signal/{SIGNAL.get()}"


def _said(told: Told) -> str:
    """A command as a line of the run's log: the word, who said it, what about, and why."""
    about = [
        f"{name} {told.details[name]}" for name in ("step", "line", "fibre", "name") if name in told.details
    ]
    who = f" by {told.by}" if told.by else ""
    way = " (by temporal)" if told.via == "temporal" else ""
    why = f": {told.details['comment']}" if "comment" in told.details else ""
    if "refused" in told.details:
        return f"the signal {told.word} was not taken: {told.details['refused']}"
    return f"{told.word}{who}{way}" + (f", {', '.join(about)}" if about else "") + why
