"""A worker's metrics, at a port of their own: for whoever has the scrape token, or for everybody if set so."""

from __future__ import annotations

import contextlib
import hmac
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import structlog

from codeai.metrics import MEDIA_TYPE, Metrics
from codeai.settings import MetricsSettings

READ_LIMIT = 10.0
"""Seconds that a reader has to ask."""

log = structlog.get_logger(__name__)


@contextlib.contextmanager
def told_at_port(settings: MetricsSettings, metrics: Metrics) -> Iterator[int | None]:
    """Serves `/metrics` during the block, by a thread; answers the port, or None where none is set. A port that
    somebody else has is told of and does without: figures are no reason not to work."""
    if settings.port is None:
        yield None
        return
    try:
        server = _Server(settings, metrics)
    except OSError as error:
        log.warning("metrics cannot be told", host=settings.host, port=settings.port, error=str(error))
        yield None
        return
    with server:
        threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
        try:
            port = int(server.server_address[1])
            log.info("metrics are told", host=settings.host, port=port)
            yield port
        finally:
            server.shutdown()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, settings: MetricsSettings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        super().__init__((settings.host, settings.port or 0), _Asked)

    def server_bind(self) -> None:
        # Not HTTPServer's, which looks the host's name up and so may wait for a name server.
        socketserver.TCPServer.server_bind(self)


class _Asked(BaseHTTPRequestHandler):
    server: _Server
    timeout = READ_LIMIT
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self._answer(404, b"the figures are at /metrics\n")
        elif not self._may():
            self._answer(401, b"send the scrape token: Authorization: Bearer <metrics.token>\n")
        else:
            self._answer(200, self.server.metrics.text(), MEDIA_TYPE)

    def _may(self) -> bool:
        given, token = self.headers.get_all("Authorization", []), self.server.settings.token
        sent = f"Bearer {token}".encode()
        return self.server.settings.open or (
            token is not None
            and len(given) == 1
            and hmac.compare_digest(given[0].encode("latin-1", "replace"), sent)
        )

    def _answer(self, status: int, body: bytes, media_type: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Bearer realm="codeai"')
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return "codeai"

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes are not logged."""
