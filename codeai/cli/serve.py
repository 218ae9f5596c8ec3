"""`codeai serve`: the API alone, with the settings in force."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from codeai.cli.commands import new
from codeai.cli.exits import Stop

app = new()


@app.command()
def serve(
    config: Annotated[Path | None, typer.Option("--config", help="Settings from this file.")] = None,
) -> None:
    """Serves the API until it is stopped.

    Example: CODEAI_SERVER_PORT=9000 codeai serve
    """
    from codeai.api.app import create_app
    from codeai.api.server import Server
    from codeai.logs import configure
    from codeai.settings import BadSettings, load

    try:
        settings = load(os.environ, config)
        api = create_app(settings)
    except BadSettings as error:
        raise Stop(str(error)) from None
    configure(settings.logging, process="api")
    server = Server(api, settings.server)
    try:
        listening = server.config.bind_socket()  # before anything is connected
    except SystemExit:
        place = f"{settings.server.host}:{settings.server.port}"
        raise Stop(
            f"cannot listen at {place} (CODEAI_SERVER_HOST, CODEAI_SERVER_PORT); the log says why"
        ) from None
    server.run(sockets=[listening])
    if not server.started:
        raise Stop("the API could not start; the log says why")
