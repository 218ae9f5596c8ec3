"""What the OpenAPI says beyond what FastAPI sees: the problems of each operation, an example of each body, and the
events of streams."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from codeai.api.examples import OF_OPERATIONS, example_of
from codeai.api.problems import MEDIA_TYPE, PROBLEMS, Refused
from codeai.api.stream_events import EVENTS
from codeai.api.views import View

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
_REQUEST_ID = "1ee95d5c-d2cf-4a84-87c7-0d3bbd1cd33a"
_EVERYWHERE = (400, 401, 403, 414, 421, 429, 431, 500, 503, 504)
"""What a request may be refused with before anybody looks at what it wants, or while parts are away."""
_METHODS = ("get", "post", "put", "delete")
_NAMED = re.compile(r"#/components/schemas/(\w+)")


def described_api(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """The application's OpenAPI document, made once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            components = made.setdefault("components", {})
            schemas = components.setdefault("schemas", {})
            schemas["Problem"] = _SCHEMA
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            components["responses"] = {
                _name(status): _problem(status)
                for status in sorted({row.status for row in PROBLEMS.values()})
            }
            for path, methods in made["paths"].items():
                for method in _METHODS:
                    if method in methods:
                        _tell_problems(path, method, methods[method])
                        _show_examples(methods[method])
                        _tell_events(methods[method], schemas)
                _tell_headers(methods)
            app.openapi_schema = made
        return app.openapi_schema

    return document


def _tell_problems(path: str, method: str, operation: dict[str, Any]) -> None:
    """Adds the problems that an operation may answer with; what it says itself stays."""
    parameters = operation.get("parameters", ())
    statuses = set(_EVERYWHERE)
    of_one = "{" in path
    if of_one or method == "post":
        statuses |= {404, 409}
    if method != "get":
        statuses.add(409)
    if any(one["name"] == "If-Match" for one in parameters):
        statuses.add(412)
    if "requestBody" in operation:
        statuses |= {413, 415, 422}
    if parameters:
        statuses.add(422)
    told = operation["responses"]
    if told.get("422", {}).get("content", {}).get("application/json"):  # FastAPI's own, which we never give
        del told["422"]
    for status in sorted(statuses):
        told.setdefault(str(status), {"$ref": f"#/components/responses/{_name(status)}"})


def _show_examples(operation: dict[str, Any]) -> None:
    """Puts an example beside every JSON body of an operation."""
    for content, own in _bodies(operation):
        example = OF_OPERATIONS.get(own)
        for name in _NAMED.findall(str(content.get("schema"))):
            example = example if example is not None else example_of(name)
        if example is not None:
            content["example"] = example


def _tell_events(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Says of a stream which events it sends, and what the data of each is. OpenAPI 3.1 has no word for that."""
    events = EVENTS.get(operation["operationId"])
    if events is None:
        return
    _, made = TypeAdapter.json_schemas(
        [(name, "serialization", view.adapter()) for name, view in events.items()],
        ref_template="#/components/schemas/{model}",
    )
    for name, schema in made["$defs"].items():
        schemas.setdefault(name, schema)
    sent = {name: {"$ref": f"#/components/schemas/{view.__name__}"} for name, view in events.items()}
    told = "; ".join(f"`{name}`: {_sentence(view)}" for name, view in events.items())
    operation["responses"]["200"]["content"]["text/event-stream"] = {
        "schema": {"description": f"Events, each with one JSON object as data. {told}"},
        "x-events": sent,
        "example": "".join(
            f"event: {name}\ndata: {json.dumps(example_of(view.__name__))}\n\n"
            for name, view in events.items()
        ),
    }


def _sentence(view: type[View]) -> str:
    return " ".join((view.__doc__ or "").split())


def _tell_headers(methods: dict[str, Any]) -> None:
    """Adds the headers that the answers of a path have: where it is, when to ask again, its version."""
    for method in _METHODS:
        for status, answer in methods.get(method, {}).get("responses", {}).items():
            content = str(answer.get("content"))
            if status == "201" or (
                status == "202" and ("StartedView" in content or "OperationView" in content)
            ):
                answer.setdefault("headers", {})["Location"] = _header("where it is, or what becomes of it")
            if status == "202" and "OperationView" in content:
                answer["headers"]["Retry-After"] = _header("seconds after which to ask", "integer")
    if any(one["name"] == "If-Match" for one in methods.get("put", {}).get("parameters", ())):
        methods["get"]["responses"]["200"]["headers"] = {"ETag": _header("its version, for If-Match")}


def _header(description: str, type: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": type}}


def _bodies(operation: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """The JSON that an operation takes and gives, the latter with the operation's id."""
    taken = operation.get("requestBody", {}).get("content", {})
    if "application/json" in taken:
        yield taken["application/json"], ""
    for answer in operation["responses"].values():
        if (given := answer.get("content", {}).get("application/json")) is not None:
            yield given, operation["operationId"]


def _name(status: int) -> str:
    return f"Problem{status}"


def _problem(status: int) -> dict[str, Any]:
    """All problems of a status, with the first as the example."""
    rows = {code: row for code, row in PROBLEMS.items() if row.status == status}
    code, first = next(iter(rows.items()))
    answer: dict[str, Any] = {
        "description": "; ".join(row.title for row in rows.values()),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": Refused(code, first.title).document(_REQUEST_ID),
            }
        },
    }
    if any(row.retry_after for row in rows.values()):
        answer["headers"] = {"Retry-After": _header("seconds after which to come again", "integer")}
    return answer
