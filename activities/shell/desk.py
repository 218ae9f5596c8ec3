"""What the attendants of a worker share."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio.client import Client

from codeai.activities.secrets import Secrets
from codeai.activities.shell.record import StepRecord
from codeai.activities.shell.settings import ShellSettings
from codeai.activities.shell.slots import Slots
from codeai.activities.shell.spawner import Spawner
from codeai.activities.shell.spool import Spool
from codeai.activities.shell.workspaces import Workspaces


@dataclass(frozen=True)
class Desk:
    """The parts of one host."""

    host: str
    spool: Spool
    spawner: Spawner
    slots: Slots
    workspaces: Workspaces
    client: Client
    record: StepRecord
    settings: ShellSettings
    secrets: Secrets | None
    """None where no step has any."""
