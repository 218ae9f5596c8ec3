"""What a program gets of an answer: `{status, headers, body, json}`, within the language's limits."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Any

from codeai.dsl.builtins_text import json_decode
from codeai.dsl.faults import Fault
from codeai.dsl.limits import EFFECT_RESULT
from codeai.dsl.requests import input_size
from codeai.dsl.values import from_plain
from codeai.integration.exchange import Answer
from codeai.persistence.base import storable

LONGEST_EXCERPT = 200
NO_CHARSETS = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"})
"""Codecs of Python that are no way to write a page."""
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([A-Za-z0-9._:+-]+)', re.IGNORECASE)


def answer_value(answer: Answer, mask: Callable[[str], str]) -> dict[str, Any]:
    """The answer as the program gets it, secrets masked.

    Raises:
        Fault: kind `limit`, where it is too large.
    """
    body = mask(body_text(answer))
    value = {
        "status": answer.status,
        "headers": {name: mask(storable(text)) for name, text in answer.headers.items()},
        "body": body,
        "json": as_json(body),
    }
    try:
        fits = input_size({"": from_plain(value)}) <= EFFECT_RESULT.most
    except Fault:
        fits = False
    if not fits:
        raise Fault(
            "limit",
            f"the answer is too large for a program: body, headers and what is read from it as JSON are more than "
            f"{EFFECT_RESULT.most:,} bytes (limit {EFFECT_RESULT.name}); let a command fetch it into a file",
        )
    return value


def body_text(answer: Answer) -> str:
    """The body by its charset, UTF-8 unless given. What is no character is U+FFFD."""
    found = _CHARSET.search(answer.headers.get("content-type", ""))
    try:
        codec = codecs.lookup(found[1]) if found else codecs.lookup("utf-8")
        known = codec.name not in NO_CHARSETS
        text = answer.body.decode(codec.name if known else "utf-8", "replace")
    except (LookupError, UnicodeError):
        text = answer.body.decode("utf-8", "replace")
    return storable(text).removeprefix("\ufeff")


def as_json(text: str) -> Any:
    """What the text says as JSON, by the language's rules; None where it is none."""
    try:
        return json_decode(text)
    except Fault:
        return None


def excerpt(answer: Answer, mask: Callable[[str], str]) -> str:
    """The beginning of an answer for an error's message; nothing of a page for a browser."""
    kind = answer.headers.get("content-type", "").lower()
    if "html" in kind or not ("json" in kind or kind.startswith("text/")):
        return ""
    text = " ".join(mask(body_text(answer)).split())
    return text if len(text) <= LONGEST_EXCERPT else text[:LONGEST_EXCERPT] + "…"
