"""Who performs what (★): one row for each available effect that leaves the machine."""

from __future__ import annotations

from codeai.workflows.effects import approvals, children, events, http, shell, simple
from codeai.workflows.effects.under_way import Performer

PERFORMERS: dict[str, Performer] = {
    "approve": approvals.approve,
    "emit": events.emit,
    "exec": shell.exec,
    "http": http.http,
    "log": simple.log,
    "now": simple.now,
    "random": simple.random,
    "run": children.run,
    "set_status": simple.set_status,
    "sleep": simple.sleep,
    "uuid": simple.uuid,
    "wait_event": events.wait_event,
}
