"""What streams send (★): the events of each by name, and what their data is."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from codeai.api.views import ApprovalView, EventView, LogView, StepView, View


class StepEvent(StepView):
    """A step that began or ended. What it printed comes as log lines."""

    stdout: str | None = Field(default=None, exclude=True)
    stderr: str | None = Field(default=None, exclude=True)


class StatusEvent(View):
    """Where a run stands that goes on."""

    status: str
    status_text: str | None


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
