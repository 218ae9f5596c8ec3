"""A program's `http` as the activity is asked for it: texts checked, secrets still handles."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from codeai.dsl.environment import json_with_secrets
from codeai.dsl.faults import type_fault, value_fault
from codeai.dsl.operators import as_string
from codeai.dsl.requests import Request
from codeai.dsl.values import HIDDEN, Map, SecretHandle, Value, as_text, named, shown
from codeai.workflows.contracts.http import HttpInput
from codeai.workflows.contracts.steps import SecretText, StepBegun

Text = str | SecretText
Parts = Iterable[tuple[str, str]]

OURS = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that belong to the connection, which is the platform's."""
CREDENTIAL = re.compile(r"authorization|cookie|token|secret|password|api-?key|credential")
"""Headers whose values are never shown, wherever they come from."""
LONGEST_SHOWN = 500
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def http_input(
    request: Request,
    begun: Callable[[str, dict[str, Any]], StepBegun],
    *,
    execution_id: str,
    use_secrets: bool,
) -> HttpInput:
    """What is sent for the request, without notes. `begun` makes the step's row of its line for people and its
    arguments.

    Raises:
        Fault: kind `type_error` or `value_error`.
    """
    given: dict[str, Any] = request.arguments
    url = _text("url", given["url"])
    headers = _headers(given["headers"])
    body, is_json = _body(given["body"])
    if is_json:
        headers.setdefault("content-type", "application/json")
    line = f"{given['method']} {url_shown(url)}"
    return HttpInput(
        execution_id=execution_id,
        step=begun(line[:LONGEST_SHOWN], _seen(given, url, headers)),
        method=given["method"],
        url=url,
        headers=headers,
        body=body,
        timeout=given["timeout"],
        retry=given["retry"],
        check=given["check"],
        use_secrets=use_secrets,
    )


def url_shown(url: Text) -> str:
    """A URL for people: without its query, login and secrets."""
    text = re.split(r"[?#]", _shown(url), maxsplit=1)[0]
    return re.sub(r"//[^/]*@", "//", text)


def _shown(text: Text) -> str:
    if isinstance(text, str):
        return text
    return "".join(part if kind == "text" else HIDDEN for kind, part in text.parts)


def _seen(given: dict[str, Any], url: Text, headers: dict[str, Text]) -> dict[str, Any]:
    body = given["body"]
    return {
        "method": given["method"],
        "url": url_shown(url),
        "headers": {
            name: HIDDEN if CREDENTIAL.search(name) else _shown(value) for name, value in headers.items()
        },
        "body": None if body is None else shown(body)[:LONGEST_SHOWN],
        "timeout": given["timeout"],
        "retry": given["retry"],
        "check": given["check"],
    }


def _text(what: str, value: Value) -> Text:
    """A text, or one with secrets in it."""
    if isinstance(value, SecretHandle):
        return _secret_text(value.parts)
    found = as_string(value)
    if found is None:
        raise type_fault(f"http: {what} takes a string, not {named(value)}")
    return found


def _secret_text(parts: Parts) -> SecretText:
    return SecretText.model_validate({"parts": tuple(parts)})


def _headers(given: Map | None) -> dict[str, Text]:
    """By lower-case names; those that are null are left out."""
    made: dict[str, Text] = {}
    for name, value in (given or {}).items():
        lower = name.lower()
        if not _HEADER.fullmatch(name):
            raise value_fault(f'http: "{name}" in headers is no name of a header')
        if lower in OURS:
            raise value_fault(f'http: the header "{name}" is set by the platform, and cannot be given')
        if lower in made:
            raise value_fault(f'http: the header "{name}" is given twice')
        if value is None:
            continue
        if isinstance(value, bool | int | float):
            value = as_text(value)
        text = _text(f'"{name}" in headers', value)
        if _CONTROL.search(_shown(text)):
            raise value_fault(f'http: "{name}" in headers has a line end or control character in it')
        made[lower] = text
    return made


def _body(value: Value) -> tuple[Text | None, bool]:
    """The body, and whether it is JSON that was made here."""
    if value is None:
        return None, False
    if isinstance(value, SecretHandle) or as_string(value) is not None:
        return _text("body", value), False
    found = json_with_secrets(value)
    return (as_text(value) if found is None else _secret_text(found.parts)), True
