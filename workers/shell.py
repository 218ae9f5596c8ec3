"""What the runner of commands is told, by the settings."""

from __future__ import annotations

from codeai.activities.shell import formats
from codeai.activities.shell.sandbox import Sandbox
from codeai.activities.shell.settings import ShellSettings
from codeai.settings import Settings, WorkerSettings


def shell_settings(settings: Settings) -> ShellSettings:
    """How commands run on this host."""
    worker = settings.worker
    return ShellSettings(
        commands_at_once=worker.commands_at_once,
        workspace_roots=worker.workspace_roots,
        private=worker.private,
        environment=worker.environment,
        shell=worker.shell,
        outbound=settings.outbound,
        log_limit=worker.log_limit,
        limits=_limits(worker),
        sandbox=None if worker.sandbox == "off" else _sandbox(settings),
    )


def _limits(worker: WorkerSettings) -> dict[str, int]:
    """Those that are set, by the runner's names."""
    given = {
        formats.CPU: worker.cpu_limit,
        formats.MEMORY: worker.memory_limit,
        formats.FILE_SIZE: worker.file_size_limit,
        formats.PROCESSES: worker.process_limit,
    }
    return {name: most for name, most in given.items() if most is not None}


def _sandbox(settings: Settings) -> Sandbox:
    """With nothing to be seen of the platform: neither its data nor what these settings were read from."""
    worker = settings.worker
    private = (worker.root, *worker.private, *settings.files)
    return Sandbox(worker.sandbox_network, worker.sandbox_paths, tuple(path.resolve() for path in private))
