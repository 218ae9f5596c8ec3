"""What the OpenAPI says beyond what FastAPI sees: problems, and no answer that is never given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from codeai.api.problems import MEDIA_TYPE, PROBLEMS

_TITLES = {
    status: "; ".join(row.title for row in PROBLEMS.values() if row.status == status)
    for status in sorted({row.status for row in PROBLEMS.values()})
}
_SCHEMA = {
    "type": "object",
    "title": "Problem",
    "description": "Why a request was refused (RFC 9457).",
    "required": ["type", "title", "status", "code", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": sorted(PROBLEMS)},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "diagnostics": {"type": "array", "items": {"type": "object"}},
    },
}
_REFERENCE = {"$ref": "#/components/schemas/Problem"}

PROBLEM_ANSWERS: dict[int | str, dict[str, Any]] = {
    status: {"description": titles, "content": {MEDIA_TYPE: {"schema": _REFERENCE}}}
    for status, titles in _TITLES.items()
}
"""Every problem that any route may answer with."""


def described_api(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """The application's OpenAPI document, made once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            schemas = made.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = _SCHEMA
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            app.openapi_schema = made
        return app.openapi_schema

    return document
