"""`codeai down`: stops the platform of this folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from codeai.cli.commands import new
from codeai.cli.exits import Stop
from codeai.cli.options import AsOutput
from codeai.cli.terminal import Output, put_json

app = new()
PATIENCE = 90.0


@app.command()
def down(
    kill: Annotated[bool, typer.Option("--kill", help="also end the commands that run")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="the data folder (default: .codeai)")] = None,
    output: AsOutput = Output.TABLE,
) -> None:
    """Stops what `codeai up` started. Commands that run go on, unless you say --kill. Example: codeai down"""
    from codeai.stack.banner import commands_under_way, go_on
    from codeai.stack.errors import NotRunning
    from codeai.stack.folder import DataFolder
    from codeai.stack.locate import data_folder

    folder = DataFolder.chosen(data_dir, os.environ) if data_dir else data_folder()
    running = None if folder is None else folder.running()
    if folder is None or (running is None and not kill):
        raise Stop(str(NotRunning()))
    if running is not None and not running.process.stop(((signal.SIGTERM, PATIENCE),)):
        raise Stop(f"codeai up (pid {running.process.pid}) does not end; see {folder.logs}")
    ended = _kill(folder.workspaces) if kill else 0
    left = 0 if kill else commands_under_way(folder)
    if output is Output.JSON:
        put_json({"stopped": running.url if running else None, "ended": ended, "under_way": left})
        return
    if running is not None:
        print(f"stopped {running.url}")
    if ended:
        print("1 command was ended" if ended == 1 else f"{ended} commands were ended")
    if left:
        print(go_on(left))


def _kill(root: Path) -> int:
    if not root.is_dir():
        return 0
    from codeai.activities.shell.under_way import kill_all

    return kill_all(root)
