"""`codeai worker`: a worker process for some or all task queues."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from codeai.cli.commands import new
from codeai.cli.exits import Stop

app = new()


class Role(StrEnum):
    """Which task queues a worker polls."""

    ALL = "all"
    WORKFLOWS = "workflows"
    EXEC = "exec"


@app.command()
def worker(
    role: Annotated[Role, typer.Argument(help="Which task queues it polls.")],
    config: Annotated[Path | None, typer.Option("--config", help="Settings from this file.")] = None,
) -> None:
    """Runs a worker until it is stopped; commands under way go on without it.

    Example: codeai worker exec
    """
    from codeai.logs import configure
    from codeai.settings import BadSettings, load
    from codeai.workers.run import main

    try:
        settings = load(os.environ, config)
    except BadSettings as error:
        raise Stop(str(error)) from None
    configure(settings.logging, process="worker")
    main(role.value, settings)
