"""`codeai up`: starts the whole platform on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codeai.cli.commands import new
from codeai.cli.exits import Exit, Stop
from codeai.cli.options import AsOutput
from codeai.cli.status import described
from codeai.cli.terminal import Output, put_json

if TYPE_CHECKING:
    from codeai.stack.folder import DataFolder, Running

app = new()
PATIENCE = 120.0
PARTS = ("postgres", "temporal")


@app.command()
def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="the API's port (0: a free one)")] = 8080,
    temporal_port: Annotated[int, typer.Option(min=0, max=65535, help="Temporal's port")] = 7233,
    ui_port: Annotated[int, typer.Option(min=0, max=65535, help="the Web UI's port")] = 8233,
    postgres_port: Annotated[int, typer.Option(min=0, max=65535, help="Postgres' port")] = 0,
    detach: Annotated[bool, typer.Option("--detach", help="come back when it is ready")] = False,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="leave the workers to you")] = False,
    external: Annotated[str, typer.Option(help="what runs elsewhere: postgres,temporal")] = "",
    data_dir: Annotated[Path | None, typer.Option(help="the data folder (default: .codeai)")] = None,
    config: Annotated[Path | None, typer.Option(help="a settings file")] = None,
    output: AsOutput = Output.TABLE,
) -> None:
    """Starts Postgres, Temporal with its Web UI, the workers and the API on this machine, under one folder.

    Ctrl-C stops all of it; commands that run go on. Example: codeai up --port 8000
    """
    from codeai.settings import BadSettings, load
    from codeai.stack.errors import StackError
    from codeai.stack.folder import DataFolder

    folder = DataFolder.chosen(data_dir, os.environ)
    try:
        settings = load(os.environ, config)
        if detach:
            folder.make()
            _detach(folder.path, output)
            return
        from codeai.stack.up import Up, Wanted

        wanted = Wanted(
            port, temporal_port, ui_port, postgres_port, not no_worker, _external(external), config
        )
        told = sys.stdout if output is Output.TABLE else sys.stderr
        Up(
            folder,
            wanted,
            settings,
            lambda line: print(line, file=told, flush=True),
            lambda running: _show(folder, running, output),
        ).run()
    except (StackError, BadSettings) as problem:
        raise Stop(str(problem)) from None


def _show(folder: DataFolder, running: Running, output: Output) -> None:
    """That it is ready, and where."""
    from codeai.stack.banner import banner

    if output is Output.JSON:
        put_json(described(folder, running))
    else:
        print(banner(folder, running))
    sys.stdout.flush()


def _external(given: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in given.split(",") if name.strip())
    if unknown := sorted(names - set(PARTS)):
        raise Stop(f"--external takes {' and '.join(PARTS)}, not {unknown[0]}", Exit.INVALID)
    return names


def _detach(folder: Path, output: Output) -> None:
    """Starts the same command in a session of its own and waits until it is ready."""
    from codeai.stack.folder import DataFolder

    words = [word for word in sys.argv[1:] if word != "--detach"]
    with (folder / "logs" / "up.log").open("a+b") as log:
        begin = log.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            [sys.executable, "-m", "codeai.cli.main", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            running = DataFolder(folder).running()
            if running is not None and running.process.pid == process.pid and running.ready:
                _show(DataFolder(folder), running, output)
                return
            if process.poll() is not None:
                log.seek(begin)
                said = log.read().decode("utf-8", "replace").strip()
                raise Stop(said.removeprefix("codeai: ") or f"ended with exit code {process.returncode}")
            time.sleep(0.05)
        process.terminate()
        raise Stop(f"not ready after {PATIENCE:.0f} s; see {folder / 'logs'}")
