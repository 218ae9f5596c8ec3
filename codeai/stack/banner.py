"""What `codeai up` and `codeai down` say of a platform to the person at the terminal."""

from __future__ import annotations

import getpass
import shlex

from codeai.stack.folder import DataFolder, Running

WORKER_SETTINGS = "worker.env"
"""The file of the data folder with what a worker of one's own is to be told."""


def banner(folder: DataFolder, running: Running) -> str:
    """Where everything is."""
    lines = [f"CodeAI is running (pid {running.process.pid}); stop it with Ctrl-C or: codeai down"]
    lines.append(f"  API      {running.url} (documentation: {running.url}/docs)")
    lines += [f"  Web UI   {running.ui}"] if running.ui else []
    lines.append(f"  data     {folder.path}")
    if "worker" not in running.children:
        settings = shlex.quote(str(folder.path / WORKER_SETTINGS))
        lines.append(f"  workers  none; start one with: . {settings} && codeai worker all")
    lines.append(
        "  commands run in a sandbox: they see the system, read-only, and their run's workspace"
        if running.sandboxed
        else f"  commands run as {getpass.getuser()}: whoever may save and execute a config owns this account"
    )
    return "\n".join(lines)


def commands_under_way(folder: DataFolder) -> int:
    """How many shell commands of the folder's host live."""
    if not folder.workspaces.is_dir():
        return 0
    from codeai.activities.shell.under_way import running

    return running(folder.workspaces)


def go_on(commands: int) -> str:
    """What is said about commands that outlive the platform."""
    if commands == 1:
        return "1 command goes on: the next `codeai up` here attends to it, `codeai down --kill` ends it"
    return f"{commands} commands go on: the next `codeai up` here attends to them, `codeai down --kill` ends them"
