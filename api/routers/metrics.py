"""The API's metrics, for whoever may read them: by role, by the scrape token, or everybody if set so."""

from __future__ import annotations

import asyncio
import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from codeai.api.auth.caller import Caller
from codeai.api.dependencies import Gate, Using, parts_of
from codeai.api.routing import Route
from codeai.metrics import MEDIA_TYPE

router = APIRouter(tags=["health"], route_class=Route)


_EXAMPLE = """\
# HELP codeai_http_requests_total Requests that were answered
# TYPE codeai_http_requests_total counter
codeai_http_requests_total{method="GET",path="/configs/{id}",status_code="200"} 7.0
"""


class Scraper(Gate):
    """Lets in as well who sends the scrape token, and everybody where the settings say so."""

    async def __call__(  # type: ignore[override]  # who scrapes is no caller
        self, request: Request
    ) -> Caller | None:
        settings = parts_of(request).metrics
        if settings.open:
            return None
        given = request.headers.getlist("authorization")
        if settings.token is not None and len(given) == 1:
            sent = f"Bearer {settings.token}".encode()
            if hmac.compare_digest(given[0].encode("latin-1", "replace"), sent):
                return None
        return await super().__call__(request)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus' text format, version 0.0.4",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        }
    },
)
async def show_metrics(
    parts: Using, _: Annotated[Caller | None, Depends(Scraper("metrics:read"))]
) -> Response:
    """The figures of this process for Prometheus, those of Temporal's client beside them."""
    return Response(await asyncio.to_thread(parts.observing.metrics.text), media_type=MEDIA_TYPE)
