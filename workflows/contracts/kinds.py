"""The workflows there are (★): type, id, queue and search attributes' kind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from codeai.workflows.contracts.base import Contract
from codeai.workflows.contracts.changes import ChangeInput, ChangeResult
from codeai.workflows.contracts.events import PublishInput, PublishResult
from codeai.workflows.contracts.executions import ExecuteInput, ExecuteResult
from codeai.workflows.contracts.lanes import LaneInput, LaneResult
from codeai.workflows.contracts.queues import WORKFLOWS
from codeai.workflows.contracts.reconciling import ReconcileInput, ReconcileResult
from codeai.workflows.contracts.retention import RetentionInput, RetentionResult

TASK_TIMEOUT = timedelta(seconds=5)
"""Workflow task time-out of every start: how long a task in a dead worker's hand is waited for."""

Model: TypeAlias = type[Contract]


@dataclass(frozen=True, slots=True)
class Kind:
    """One workflow type. Its id is `<prefix>/<id>`."""

    type: str
    prefix: str
    input: Model
    result: Model
    queue: str = WORKFLOWS

    def workflow_id(self, id: str) -> str:
        return f"{self.prefix}/{id}"


EXECUTE_DEPLOYMENT = Kind("ExecuteDeployment", "execution", ExecuteInput, ExecuteResult)
LANE = Kind("Lane", "lane", LaneInput, LaneResult)
CHANGE_RECORD = Kind("ChangeRecord", "change", ChangeInput, ChangeResult)
RECONCILE = Kind("Reconcile", "reconcile", ReconcileInput, ReconcileResult)
PUBLISH_EVENT = Kind("PublishEvent", "event", PublishInput, PublishResult)
APPLY_RETENTION = Kind("ApplyRetention", "retention", RetentionInput, RetentionResult)

KINDS: dict[str, Kind] = {
    kind.type: kind
    for kind in (EXECUTE_DEPLOYMENT, LANE, CHANGE_RECORD, PUBLISH_EVENT, RECONCILE, APPLY_RETENTION)
}
