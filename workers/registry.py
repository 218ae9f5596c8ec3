"""Which task queue registers what (★)."""

from __future__ import annotations

from codeai.workflows.change_record import ChangeRecord
from codeai.workflows.execute_deployment import ExecuteDeployment

WORKFLOWS: list[type] = [ExecuteDeployment, ChangeRecord]
"""Every workflow; all of them live on one queue."""
