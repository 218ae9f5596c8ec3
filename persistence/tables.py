"""Every table there is (★), as one metadata that migrations are compared with."""

from __future__ import annotations

from codeai.persistence.access import RoleRow
from codeai.persistence.audit import AuditRow
from codeai.persistence.base import Base
from codeai.persistence.blobs import BlobRow
from codeai.persistence.checkpoints import CheckpointRow
from codeai.persistence.configs import ConfigRow, ConfigVersionRow
from codeai.persistence.deployments import DeploymentRow
from codeai.persistence.event_waits import EventWaitRow
from codeai.persistence.events import EventRow
from codeai.persistence.executions import ExecutionRow
from codeai.persistence.hosts import HostRow
from codeai.persistence.logs import LogRow
from codeai.persistence.secrets import SecretRow
from codeai.persistence.steps import StepRow
from codeai.persistence.workspaces import WorkspaceRow

TABLES: tuple[type[Base], ...] = (
    ConfigRow,
    ConfigVersionRow,
    DeploymentRow,
    ExecutionRow,
    StepRow,
    LogRow,
    CheckpointRow,
    BlobRow,
    HostRow,
    WorkspaceRow,
    EventRow,
    EventWaitRow,
    AuditRow,
    RoleRow,
    SecretRow,
)

METADATA = Base.metadata
