"""`codeai serve`: the API alone, with the settings in force."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from codeai.cli.commands import new
from codeai.cli.exits import Stop

app = new()

MOST_HEADERS = 64 * 1024
"""Bytes that the server itself reads of headers; the API's own limit is below and answers with a problem."""
DRAIN = 5
"""Seconds that running requests get when the server stops."""


@app.command()
def serve(
    config: Annotated[Path | None, typer.Option("--config", help="Settings from this file.")] = None,
) -> None:
    """Serves the API until it is stopped.

    Example: CODEAI_SERVER_PORT=9000 codeai serve
    """
    import uvicorn

    from codeai.api.app import create_app
    from codeai.logs import configure
    from codeai.settings import BadSettings, load

    try:
        settings = load(os.environ, config)
        api = create_app(settings)
    except BadSettings as error:
        raise Stop(str(error)) from None
    configure(settings.logging, process="api")
    uvicorn.run(
        api,
        host=settings.server.host,
        port=settings.server.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.server.trusted_proxies),
        forwarded_allow_ips=list(settings.server.trusted_proxies),
        h11_max_incomplete_event_size=MOST_HEADERS,
        timeout_graceful_shutdown=DRAIN,
        ws="none",
    )
