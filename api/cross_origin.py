"""Pages of other origins (CORS, the Fetch standard): none may use the API but those that the setting names."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import Response

METHODS = ("GET", "POST", "PUT", "DELETE")
TAKEN = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "Last-Event-ID",
    "traceparent",
    "X-Request-Id",
)
"""Headers that such a page may send besides those that any may. No cookies, which are never read: so no credentials."""
SHOWN = ("ETag", "Location", "Retry-After", "WWW-Authenticate", "X-Request-Id")
"""Headers of answers that it may read besides those that any may."""
KEPT = 600
"""Seconds for which a browser remembers what may be sent."""


@dataclass(frozen=True, slots=True)
class CrossOrigin:
    """`origins` are those whose pages may use the API, as browsers write them."""

    origins: frozenset[str] = frozenset()

    def named(self, headers: Headers) -> str | None:
        """The origin of the page that asks, where it is one of them."""
        given = headers.getlist("origin")
        return given[0] if len(given) == 1 and given[0] in self.origins else None

    def told(self, origin: str | None) -> tuple[tuple[bytes, bytes], ...]:
        """The headers of an answer to a page of `origin`, which is one of them, or to whoever else."""
        if not self.origins:
            return ()
        for_all = (b"vary", b"Origin")
        if origin is None:
            return (for_all,)
        allowed = (b"access-control-allow-origin", origin.encode())
        return for_all, allowed, (b"access-control-expose-headers", ", ".join(SHOWN).encode())


def is_preflight(method: str, headers: Headers) -> bool:
    """Whether a browser asks what a page may send."""
    return method == "OPTIONS" and "access-control-request-method" in headers


def preflight() -> Response:
    """The answer to a browser that asks for a page of a named origin."""
    told = {
        "Access-Control-Allow-Methods": ", ".join(METHODS),
        "Access-Control-Allow-Headers": ", ".join(TAKEN),
        "Access-Control-Max-Age": str(KEPT),
    }
    return Response(status_code=204, headers=told)
