"""What streams send (★): the events of each by name, and what their data is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from codeai.api.views import ApprovalView, EventView, LogView, StepView, View


@dataclass
class StepEvent(StepView):
    """A step that began or ended. What it printed comes as log lines."""

    stdout: Annotated[str | None, Field(exclude=True)]
    stderr: Annotated[str | None, Field(exclude=True)]


@dataclass
class StatusEvent(View):
    """Where a run stands that goes on."""

    status: str
    status_text: str | None


@dataclass
class EndEvent(View):
    """The run has ended, and with it the stream."""

    status: str


EVENTS: Mapping[str, Mapping[str, type[View]]] = {
    "show_log": {
        "log": LogView,
        "step": StepEvent,
        "approval": ApprovalView,
        "status": StatusEvent,
        "end": EndEvent,
    },
    "follow_events": {"event": EventView},
}
"""By the operation whose answer the stream is."""
