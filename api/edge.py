"""The edge of the API, around everything else: request ids, hosts, sites, limits, no 500 unexplained."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codeai.api.cross_origin import CrossOrigin, is_preflight, preflight
from codeai.api.problems import Refused, problem_response
from codeai.api.wire import MOST_HEADER_BYTES, MOST_URL_BYTES, headers_too_large, url_too_long
from codeai.log_context import bound
from codeai.observing import Observing
from codeai.tracing import describe, trace_id

TIME_LIMIT = 60.0
"""Seconds for a request that is not a stream."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_STREAMS = (b"text/event-stream", b"application/jsonl")
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
"""Headers of every answer."""
_NOT_KEPT = (*_ALWAYS, (b"cache-control", b"no-store"))
UNMATCHED = "unmatched"
"""The path, for metrics, of requests that no route takes."""
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
_UNLOGGED = ("/health", "/metrics")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Edge:
    """The outermost ASGI layer, which also counts and traces requests. `hosts` are the names (without port) that this
    server answers for; `cross_origin` says whose pages may ask; `time_limit` is in seconds and does not count for
    streams."""

    app: ASGIApp
    observing: Observing
    hosts: frozenset[str]
    cross_origin: CrossOrigin
    time_limit: float = TIME_LIMIT

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = self.cross_origin.named(headers)
        answer = _Answer(send, _request_id(headers), time.monotonic(), self.cross_origin.told(origin))
        scope.setdefault("state", {})["request_id"] = answer.request_id
        above = headers.get("traceparent", "")
        with (
            self.observing.tracing.request(scope["method"], above) as span,
            bound(module="api", request_id=answer.request_id, trace_id=trace_id(span, above)),
        ):
            try:
                await self._answered(scope, headers, origin, receive, answer)
            finally:
                answer.log(scope)
                route = _template(scope)
                describe(span, scope["method"], route, answer.status)
                self.observing.metrics.request_ended(
                    _method(scope),
                    route,
                    answer.status,
                    time.monotonic() - answer.began,
                    answer.received,
                    answer.sent,
                )

    async def _answered(
        self, scope: Scope, headers: Headers, origin: str | None, receive: Receive, answer: _Answer
    ) -> None:
        """Has the application answer a page of `origin`, which may ask, or whoever else; or refuses for it."""
        try:
            self._admit(scope, headers, by_named_origin=origin is not None)
            if origin is not None and is_preflight(scope["method"], headers):
                await preflight()(scope, receive, answer.send)
                return
            async with asyncio.timeout(self.time_limit) as limit:
                answer.limit = limit
                await self.app(scope, answer.receiving(receive), answer.send)
        except Refused as refused:
            await answer.refuse(refused, scope, receive)
        except TimeoutError:
            await answer.refuse(
                Refused("timed_out", f"it took more than {self.time_limit:g} s"), scope, receive
            )
        except ClientDisconnect:
            log.info("client left", method=scope["method"], path=scope["path"])
        except asyncio.CancelledError:  # the server has waited as long as it may
            await answer.refuse(Refused("stopping", "the server is being stopped; ask again"), scope, receive)
        except Exception as error:
            if answer.status and isinstance(error.__cause__, Refused):  # what had begun cannot be refused
                log.info("stream cut", reason=error.__cause__.code)
                return
            log.exception("request failed", method=scope["method"], path=scope["path"])
            detail = f"an error of ours; the server's log has it under {answer.request_id}"
            await answer.refuse(Refused("internal", detail), scope, receive)

    def _admit(self, scope: Scope, headers: Headers, *, by_named_origin: bool) -> None:
        """Raises Refused for what is not looked at any further."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or _host_name(hosts[0]) not in self.hosts:
            raise Refused("wrong_host", "the Host header names none of server.allowed_hosts")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADER_BYTES:
            raise headers_too_large()
        if len(scope["raw_path"]) + len(scope["query_string"]) > MOST_URL_BYTES:
            raise url_too_long()
        if not by_named_origin and _from_another_site(scope["method"], hosts[0], headers):
            raise Refused(
                "cross_site", "pages may use this API from its own site and server.cors_origins only"
            )


@dataclass(slots=True)
class _Answer:
    """Sends the answer: with its request id, without a time limit where it is a stream."""

    to_client: Send
    request_id: str
    began: float
    more_headers: tuple[tuple[bytes, bytes], ...] = ()
    status: int = 0
    limit: asyncio.Timeout | None = None
    received: int = 0
    sent: int = 0

    def receiving(self, receive: Receive) -> Receive:
        """Counts what of the body is read."""

        async def read() -> Message:
            message = await receive()
            self.received += len(message.get("body", b""))
            return message

        return read

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            said = dict(message["headers"])
            always = _ALWAYS if b"cache-control" in said else _NOT_KEPT
            request_id = (b"x-request-id", self.request_id.encode())
            message["headers"] = [*message["headers"], request_id, *always, *self.more_headers]
            if said.get(b"content-type", b"").startswith(_STREAMS) and self.limit:
                self.limit.reschedule(None)
        self.sent += len(message.get("body", b""))
        await self.to_client(message)

    async def refuse(self, refused: Refused, scope: Scope, receive: Receive) -> None:
        if self.status == 0:
            self.limit = None
            await problem_response(refused, self.request_id)(scope, receive, self.send)

    def log(self, scope: Scope) -> None:
        if not scope["path"].startswith(_UNLOGGED):
            log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                client=scope["client"][0] if scope["client"] else None,
                status=self.status,
                duration_ms=round((time.monotonic() - self.began) * 1000, 1),
            )


def _template(scope: Scope) -> str:
    """The path as the routes have it, never as it was sent: there are only so many."""
    route = scope.get("route")
    if route is not None:
        return str(route.path)
    return str(scope["path"]) if "endpoint" in scope else UNMATCHED


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "OTHER"


def host_names(bound: str, allowed: Iterable[str]) -> frozenset[str]:
    """The names that a server answers for: its own on this machine, and those that the setting gives."""
    return frozenset(name.lower() for name in (bound, "localhost", "127.0.0.1", "[::1]", *allowed))


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


def _host_name(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def _from_another_site(method: str, host: str, headers: Headers) -> bool:
    """Whether a browser says that another site's page asks; following a link to us is not that."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        followed_link = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        return site not in ("same-origin", "none") and not followed_link
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2].lower() != host.lower()
