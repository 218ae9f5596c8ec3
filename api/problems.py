"""The problems of the API (★): every refusal has a code, a status, a title and is an RFC 9457 document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Row:
    """One code: `retry_after` is in seconds, for what goes away by itself."""

    status: int
    title: str
    retry_after: int | None = None


PROBLEMS: dict[str, Row] = {
    "invalid_json": Row(400, "The body is not JSON as this API reads it"),
    "malformed": Row(400, "This is not HTTP"),
    "invalid_header": Row(400, "A header cannot be read"),
    "unauthenticated": Row(401, "A valid bearer token is needed"),
    "forbidden": Row(403, "The token does not permit this"),
    "cross_site": Row(403, "Requests from other web sites are refused"),
    "not_found": Row(404, "There is no such thing"),
    "method_not_allowed": Row(405, "The path does not know this method"),
    "no_trace": Row(409, "Nothing of this run was kept that could be traced"),
    "no_config": Row(409, "The deployment has no config to run"),
    "ended": Row(409, "The run has ended"),
    "not_ended": Row(409, "The run has not ended"),
    "not_running": Row(409, "The run is not in a state for this command"),
    "no_approval": Row(409, "Nothing waits for this decision"),
    "which_approval": Row(409, "Several approvals are open"),
    "not_parked": Row(409, "Nothing is parked there"),
    "which_fibre": Row(409, "Several fibres are parked"),
    "has_run": Row(409, "What has run is changed"),
    "undone": Row(409, "What the run had done is undone"),
    "nothing_to_do": Row(409, "There is nothing to do"),
    "conflict": Row(409, "It is in the way of something else"),
    "precondition_failed": Row(412, "It was changed in the meantime"),
    "too_large": Row(413, "The body is too large"),
    "url_too_long": Row(414, "The URL is too long"),
    "unsupported_media_type": Row(415, "The body has to be application/json"),
    "wrong_host": Row(421, "This server does not answer for that host"),
    "invalid": Row(422, "The request does not fit"),
    "no_variable": Row(422, "The failed statement sees no such variable"),
    "invalid_value": Row(422, "The statement cannot take this value"),
    "invalid_query": Row(422, "The query has errors"),
    "too_slow": Row(422, "The query takes too long"),
    "invalid_program": Row(422, "The program has errors"),
    "invalid_input": Row(422, "The inputs do not fit the program"),
    "idempotency_key_reused": Row(422, "The Idempotency-Key was used with another body"),
    "rate_limited": Row(429, "Too many requests", 1),
    "too_many_streams": Row(429, "Too many open streams", 1),
    "headers_too_large": Row(431, "The headers are too large"),
    "internal": Row(500, "Something went wrong here"),
    "no_database": Row(503, "The database does not answer", 1),
    "no_keys": Row(503, "The keys that tokens are checked with cannot be read", 1),
    "no_seal_key": Row(503, "Secrets cannot be sealed", 60),
    "no_temporal": Row(503, "Temporal does not answer", 1),
    "no_worker": Row(503, "No worker answers for this run", 1),
    "disk": Row(503, "The disk is nearly full", 60),
    "busy": Row(503, "Too much is going on", 1),
    "not_ready": Row(503, "Not everything is there yet", 1),
    "stopping": Row(503, "The server is being stopped", 1),
    "timed_out": Row(504, "The request took too long", 1),
}

_BY_STATUS = {
    400: "invalid_json",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}


class Refused(Exception):
    """A request that is answered by a problem. `detail` says what happened and what to do about it."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        diagnostics: Sequence[Mapping[str, Any]] = (),
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        row = PROBLEMS.get(code)
        self.code = code
        self.detail = detail
        self.errors = tuple(dict(error) for error in errors)
        self.diagnostics = tuple(dict(diagnostic) for diagnostic in diagnostics)
        self.status = status or (row.status if row else 422)
        self.title = row.title if row else detail
        self.headers = dict(headers or {})
        if row and row.retry_after is not None:
            self.headers.setdefault("Retry-After", str(row.retry_after))

    def document(self, request_id: str) -> dict[str, Any]:
        """The problem as JSON data; what is empty is left out."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "request_id": request_id,
        }
        if self.errors:
            document["errors"] = list(self.errors)
        if self.diagnostics:
            document["diagnostics"] = list(self.diagnostics)
        return document


def by_status(status: int, detail: str) -> Refused:
    """The problem for an HTTP status that the framework answered by itself."""
    code = _BY_STATUS.get(status, "invalid" if status < 500 else "internal")
    return Refused(code, detail, status=status)


def problem_response(refused: Refused, request_id: str) -> JSONResponse:
    """The answer to a refused request."""
    return JSONResponse(
        refused.document(request_id),
        status_code=refused.status,
        headers=refused.headers,
        media_type=MEDIA_TYPE,
    )
