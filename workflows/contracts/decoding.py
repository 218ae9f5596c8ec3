"""How JSON from outside is read: one function for workflow inputs, signals, updates and request bodies.

A typed input that does not decode leaves a Temporal run stuck for ever, and `json` alone accepts duplicate keys,
NaN and integers that no database holds. So bytes are read here, strictly, before a model looks at them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from codeai.workflows.contracts.base import Contract

DEPTH = 64
MOST_ERRORS, MOST_NAME = 100, 200
"""Errors that are told, and characters of a field's name: a run whose error has over 2 MiB could not even fail."""
NOTHING = RawValue(Payload())
"""The input of who gives none. `RawValue | None` would be no RawValue to the converter, which then decodes it."""
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")

AnyContract = TypeVar("AnyContract", bound=Contract)


class InvalidInput(ValueError):
    """What was given is no valid input. `errors` has one `{field, message}` per finding, never a value."""

    def __init__(self, message: str, errors: tuple[dict[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.errors = errors


def read_json(data: bytes, depth: int = DEPTH, containers: int | None = None) -> Any:
    """The value of a JSON text: at most `depth` levels, Unicode scalar values only, finite numbers, 64-bit
    integers, no duplicate keys, and at most so many objects and arrays. Raises InvalidInput."""
    brackets = _STRING.sub(b"", data).translate(None, _NO_BRACKET)
    if containers is not None and len(brackets) > 2 * containers:
        raise InvalidInput(f"more than {containers:,} objects and arrays")
    # No loop in Python: there may be 1.5 million of them.
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > depth:
        raise InvalidInput(f"nested deeper than {depth} levels")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"not UTF-8 at byte {error.start}") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        raise InvalidInput(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    if _ESCAPED_SURROGATE.search(text):  # only an escape brings half a surrogate pair into decoded UTF-8
        _refuse_surrogates(value)
    return value


def decode(data: bytes | None, model: type[AnyContract]) -> AnyContract:
    """`data` as `model`; nothing at all reads as an empty object. Raises InvalidInput with every field's error."""
    return validated(read_json(data) if data else {}, model)


def validated(value: Any, model: type[AnyContract]) -> AnyContract:
    """A decoded value as `model`. Raises InvalidInput with every field's error, the first hundred of them, never
    repeating a value."""
    if not isinstance(value, dict):
        raise InvalidInput("expected an object", ({"field": "", "message": "expected an object"},))
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        errors = field_errors(found)
        said = "; ".join(
            f"{one['field']}: {one['message']}" if one["field"] else one["message"] for one in errors
        )
        if len(found) > MOST_ERRORS:
            said += f"; and {len(found) - MOST_ERRORS} more"
        raise InvalidInput(said, errors) from None


def field_errors(found: Sequence[Mapping[str, Any]]) -> tuple[dict[str, str], ...]:
    """`{field, message}` of the first hundred of pydantic's errors; never the value, which may be a secret."""
    return tuple(
        {
            "field": ".".join(str(part)[:MOST_NAME] for part in one["loc"]),
            "message": str(one["msg"]).removeprefix("Value error, "),
        }
        for one in found[:MOST_ERRORS]
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise InvalidInput("an object has the same key twice")
    return value


def _integer(text: str) -> int:
    if len(text) > 20 or not _INT_MIN <= (number := int(text)) <= _INT_MAX:
        raise InvalidInput("an integer is outside 64 bits")
    return number


def _float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise InvalidInput("a number is too large")
    return number


def _refuse_constant(text: str) -> NoReturn:
    raise InvalidInput(f"{text} is no JSON number")


def _refuse_surrogates(value: Any) -> None:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            if _SURROGATE.search(one):
                raise InvalidInput("a string has a lone surrogate")
        elif isinstance(one, dict):
            waiting.extend(one.keys())
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
