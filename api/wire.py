"""HTTP as it comes in: bounded while it is read, and what is no HTTP is answered by a problem."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from codeai.api.problems import Refused, problem_response

MOST_URL_BYTES = 16 * 1024
"""4 KiB of query language, percent-encoded, have room."""
MOST_HEADER_BYTES = 32 * 1024
HEAD_WITHIN = 20.0
"""Seconds in which a request line and its headers have to be here."""
LINGER = 2.0
"""Seconds in which a client that was refused may go on sending: were the connection closed at once, what it sends
would take our answer from it."""
_MOST_UNREAD = 2 * (MOST_URL_BYTES + MOST_HEADER_BYTES)
"""Bytes beside bodies that are kept for one request; the exact limits are the edge's, whose answer is better."""
_FRAMING = 8
"""Bytes that a byte of a chunked body may cost beside itself."""

log = structlog.get_logger()


def url_too_long() -> Refused:
    return Refused("url_too_long", f"the URL has more than {MOST_URL_BYTES} bytes")


def headers_too_large() -> Refused:
    return Refused("headers_too_large", f"the headers have more than {MOST_HEADER_BYTES} bytes")


class Wire(HttpToolsProtocol):
    """One connection of uvicorn's. Bounds what it keeps of a request before the application sees it, never takes a
    trailer for a header, and refuses with a problem document."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._in_head = True
        self._allowed = _MOST_UNREAD
        self._head_due: asyncio.TimerHandle | None = None
        self._closing = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Nothing else is spoken here: the request is answered, and what follows is not read.
            self.cycle.keep_alive = False
        except httptools.HttpParserError:
            self._refuse(self._malformed())
        else:
            self._allowed -= len(data)
            if self._allowed < 0:
                self._refuse(self._malformed())
            elif self._in_head:
                self._allowed = min(self._allowed, _MOST_UNREAD)
                self._expect_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._allowed = max(self._allowed, _MOST_UNREAD)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # a trailer must not pass for what a proxy has looked at
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_is_here()
        super().on_headers_complete()
        self._in_head = False
        self._allowed = max(self._allowed, _MOST_UNREAD)

    def on_body(self, body: bytes) -> None:
        self._allowed += (1 + _FRAMING) * len(body)
        super().on_body(body)

    def _malformed(self) -> Refused:
        """Why the parser, or our patience, gave up."""
        if self._in_head and self.headers is not None:
            if len(self.url) > MOST_URL_BYTES:
                return url_too_long()
            if self._allowed < 0:
                return headers_too_large()
        return Refused("malformed", "what came is not HTTP/1.1 as RFC 9112 has it")

    def _refuse(self, refused: Refused) -> None:
        """The last answer of this connection; none where another one has begun."""
        if self.transport.is_closing():
            return
        self._closing = True
        self._head_is_here()
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            request_id = str(uuid.uuid4())
            answer = problem_response(refused, request_id)
            answer.headers["X-Request-Id"] = request_id
            answer.headers["Connection"] = "close"
            head = b"".join(name + b": " + value + b"\r\n" for name, value in answer.raw_headers)
            self.transport.write(STATUS_LINE[refused.status] + head + b"\r\n" + bytes(answer.body))
            log.info(
                "request refused",
                module="api",
                request_id=request_id,
                client=self.client[0] if self.client else None,
                status=refused.status,
                code=refused.code,
            )
            self.transport.write_eof()
            self.loop.call_later(LINGER, self.transport.close)
        else:
            self.transport.close()
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()

    def _expect_head(self) -> None:
        """Closes the connection where the head of a request takes too long: who sends nothing holds nothing."""
        if self._head_due is None:
            self._head_due = self.loop.call_later(HEAD_WITHIN, self.timeout_keep_alive_handler)

    def _head_is_here(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None
