"""What can be set about the runner."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
