"""The API on its port: how connections are read, whose word on addresses is believed, and how it stops."""

from __future__ import annotations

import contextlib
import gc
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from codeai.api.wire import Wire
from codeai.settings import ServerSettings

GRACE = 8
"""Seconds that running requests get when the server stops; `codeai up` waits 10 for its children. Streams end at once,
and results are waited for no longer."""


class Server(uvicorn.Server):
    """A server that is told to stop by SIGTERM or SIGINT: it takes no more requests, answers those it has, and ends
    as one that did what it was told."""

    def __init__(self, api: FastAPI, settings: ServerSettings) -> None:
        super().__init__(
            uvicorn.Config(
                api,
                host=settings.host,
                port=settings.port,
                http=Wire,
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=list(settings.trusted_proxies),
                timeout_graceful_shutdown=GRACE,
            )
        )
        self._api = api

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serves in a process of its own. What is there when it begins stays, so it is never looked through for
        garbage: that takes a tenth of a second each time, in which nobody is answered."""
        gc.collect()
        gc.freeze()
        super().run(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Has streams and waits come to their end first, then waits for all requests."""
        self._api.state.parts.stopping.set()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are obeyed and not raised again afterwards: that would end the process as one that was killed."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()
