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
    label: Annotated[
        str | None,
        typer.Option(help="With exec: takes the steps whose `queue` is this label, and no others."),
    ] = None,
    build_id: Annotated[
        str | None,
        typer.Option(help="With workflows: takes the runs of this build (Temporal's Worker Versioning)."),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Settings from this file.")] = None,
) -> None:
    """Runs a worker until it is stopped; commands under way go on without it.

    Example: codeai worker exec
    """
    from codeai.activities.shell.sandbox import NoSandbox
    from codeai.activities.shell.spool import SpoolGone
    from codeai.logs import configure
    from codeai.settings import BadSettings, load
    from codeai.workers.run import main
    from codeai.workflows.contracts.queues import LABEL

    if label is not None and role is not Role.EXEC:
        raise Stop("--label says which steps a worker takes: it goes with exec")
    if build_id is not None and role is Role.EXEC:
        raise Stop("--build-id says whose runs a worker takes: it goes with workflows and all")
    if build_id is not None and not LABEL.fullmatch(build_id):
        raise Stop(f"{build_id!r} is no build id: it has 1 to 64 of a-z, A-Z, 0-9, `.`, `_` and `-`")
    if label is not None and not LABEL.fullmatch(label):
        raise Stop(f"{label!r} is no label: it has 1 to 64 of a-z, A-Z, 0-9, `.`, `_` and `-`")
    try:
        settings = load(os.environ, config)
    except BadSettings as error:
        raise Stop(str(error)) from None
    configure(settings.logging, process="worker")
    try:
        main(role.value, settings, label, build_id)
    except (BadSettings, NoSandbox, SpoolGone) as problem:
        raise Stop(str(problem)) from None
