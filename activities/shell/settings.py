"""What can be set about the runner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codeai.activities.shell.sandbox import Sandbox
from codeai.settings import OutboundSettings
from codeai.workflows.contracts.queues import COMMANDS_AT_ONCE


@dataclass(frozen=True, slots=True)
class ShellSettings:
    """Read at the top and handed down."""

    commands_at_once: int = COMMANDS_AT_ONCE
    """Commands that this host runs at a time."""
    workspace_roots: tuple[Path, ...] = ()
    """Below these lie the folders that a workspace may be copied from."""
    private: tuple[Path, ...] = ()
    """Folders that are never copied: the platform's own data."""
    environment: tuple[str, ...] = ()
    """Names of the worker's environment that commands see, besides PATH, HOME, LANG and TZ."""
    shell: str = "bash"
    """A name to be found on PATH, or a path."""
    log_limit: int = 10 << 20
    """Most bytes of output kept of one attempt."""
    outbound: OutboundSettings = field(default_factory=OutboundSettings)
    """Where a workspace's repository may be fetched from."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Those of `formats.LIMITS` that are set: what one step may use."""
    sandbox: Sandbox | None = None
    """What steps run in; None where they can do all that the worker's user can."""
