"""Values as plain JSON data that loses nothing, and back: how a run's state, journal and undo entries keep them."""

from __future__ import annotations

from typing import Any

from codeai.dsl.values import (
    PLAIN,
    Array,
    ErrorValue,
    ExecValue,
    Map,
    SecretHandle,
    Value,
    array,
    mapping,
)


def encode(value: Value) -> Any:
    """Plain JSON data from which `decode` makes the same value. A map that has a key with `$` first is
    wrapped, so that it is not taken for a special value."""
    if type(value) is Array:
        return [item if type(item) in PLAIN else encode(item) for item in value]
    if type(value) is Map:
        plain = {key: item if type(item) in PLAIN else encode(item) for key, item in value.items()}
        return {"$map": plain} if any(key.startswith("$") for key in plain) else plain
    if isinstance(value, ExecValue):
        return {"$exec": [getattr(value, name) for name in ExecValue.FIELDS]}
    if isinstance(value, ErrorValue):
        errors = None if value.errors is None else [encode(one)["$error"] for one in value.errors]
        return {"$error": [value.kind, value.message, value.line, value.exit_code, value.stderr, errors]}
    if isinstance(value, SecretHandle):
        return {"$secret": [list(part) for part in value.parts]}
    return value


def decode(plain: Any) -> Value:
    """The value that `encode` was given."""
    if isinstance(plain, list):
        return array([decode(item) for item in plain])
    if isinstance(plain, dict):
        if len(plain) == 1:
            ((key, inner),) = plain.items()
            if key == "$exec":
                return ExecValue(*inner)
            if key == "$error":
                return _decode_error(inner)
            if key == "$secret":
                return SecretHandle(tuple((kind, part) for kind, part in inner))
            if key == "$map":
                plain = inner
        return mapping([(key, decode(item)) for key, item in plain.items()])
    return plain  # type: ignore[no-any-return]


def _decode_error(inner: list[Any]) -> ErrorValue:
    errors = None if inner[5] is None else tuple(_decode_error(one) for one in inner[5])
    kind, message, line, exit_code, stderr, _ = inner
    return ErrorValue(kind, message, line, exit_code, stderr, errors)
