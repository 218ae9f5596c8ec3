"""Which task queue registers what (★)."""

from __future__ import annotations

from codeai.workflows.apply_retention import ApplyRetention
from codeai.workflows.change_record import ChangeRecord
from codeai.workflows.execute_deployment import ExecuteDeployment
from codeai.workflows.lane import Lane
from codeai.workflows.publish_event import PublishEvent
from codeai.workflows.reconcile import Reconcile

WORKFLOWS: list[type] = [ExecuteDeployment, Lane, ChangeRecord, PublishEvent, Reconcile, ApplyRetention]
"""Every workflow; all of them live on one queue."""
