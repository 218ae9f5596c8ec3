"""The values of the language, their sizes, and the forms in which they are stored and shown.

null, bool, integer, float and string are Python's own. An array or map knows its size and nesting, so that
a limit is found as the value is built; `shared` says that a second place may hold it, so that whoever changes
it copies first. It is no part of the value: a restored value is simply nobody else's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypeAlias, TypeVar

from codeai.dsl.faults import Fault, type_fault, value_fault
from codeai.dsl.limits import ITEMS, NESTING, STATE, STRING


class Array(list["Value"]):
    """`size` in JSON bytes; `bound` is at least how deep it nests."""

    __slots__ = ("bound", "shared", "size")
    size: int
    bound: int
    shared: bool

    def copied(self) -> Array:
        """A copy that shares its items."""
        twin = Array(self)
        twin.size, twin.bound, twin.shared = self.size, self.bound, False
        share_items(self)
        return twin


class Map(dict[str, "Value"]):
    """`size` in JSON bytes; `bound` is at least how deep it nests."""

    __slots__ = ("bound", "shared", "size")
    size: int
    bound: int
    shared: bool

    def copied(self) -> Map:
        """A copy that shares its values."""
        twin = Map(self)
        twin.size, twin.bound, twin.shared = self.size, self.bound, False
        share_items(self)
        return twin


class ExecValue:
    """What a command gave: stands for its stdout wherever text is expected. `duration` in seconds."""

    __slots__ = ("attempt", "duration", "exit_code", "stderr", "stdout", "truncated")
    FIELDS = ("stdout", "stderr", "exit_code", "duration", "attempt", "truncated")

    def __init__(
        self,
        stdout: str = "",
        stderr: str = "",
        exit_code: int = 0,
        duration: float = 0.0,
        attempt: int = 1,
        truncated: bool = False,
    ) -> None:
        self.stdout, self.stderr, self.exit_code = stdout, stderr, exit_code
        self.duration, self.attempt, self.truncated = duration, attempt, truncated


class ErrorValue:
    """An error as a value. `stderr` is None where no command failed, `errors` where no parallel collected."""

    __slots__ = ("errors", "exit_code", "kind", "line", "message", "stderr")

    def __init__(
        self,
        kind: str,
        message: str,
        line: int | None = None,
        exit_code: int | None = None,
        stderr: str | None = None,
        errors: tuple[ErrorValue, ...] | None = None,
    ) -> None:
        self.kind, self.message, self.line = kind, message, line
        self.exit_code, self.stderr, self.errors = exit_code, stderr, errors

    def fields(self) -> dict[str, Any]:
        """The fields that this error has, by name."""
        found: dict[str, Any] = {"kind": self.kind, "message": self.message, "line": self.line}
        if self.stderr is not None:
            found |= {"exit_code": self.exit_code, "stderr": self.stderr}
        if self.errors is not None:
            found["errors"] = array(list(self.errors))
        return found


class SecretHandle:
    """A handle on stored secrets: texts and names of secrets in turn, as ("text" | "secret", value)."""

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[tuple[str, str], ...]) -> None:
        self.parts = parts


Value: TypeAlias = "bool | int | float | str | Array | Map | ExecValue | ErrorValue | SecretHandle | None"

TYPE_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "bool",
    int: "integer",
    float: "float",
    str: "string",
    Array: "array",
    Map: "map",
    ExecValue: "exec",
    ErrorValue: "error",
    SecretHandle: "secret",
}
AnyContainer = TypeVar("AnyContainer", Array, Map)
PLAIN = frozenset({type(None), bool, int, float, str})
LEAST, MOST = -(2**63), 2**63 - 1
SMALL = 100_000
LENGTHS = b"".join(
    bytes([digits]) * (10**digits - 10 ** (digits - 1) + (digits == 1)) for digits in range(1, 6)
)
"""How many digits the integers from 0 to before SMALL have."""
HIDDEN = "***"


def type_name(value: Value) -> str:
    return TYPE_NAMES[type(value)]


def named(value: Value) -> str:
    """The type with its article, for messages."""
    name = type_name(value)
    return name if name == "null" else f"an {name}" if name[0] in "aei" else f"a {name}"


# Sizes


def text_size(text: str) -> int:
    """UTF-8 bytes."""
    return len(text) if text.isascii() else len(text.encode())


def size_of(value: Value) -> int:
    """JSON bytes; a container knows its own."""
    if type(value) is str:
        return text_size(value) + 2
    if type(value) is Array or type(value) is Map:
        return value.size
    if type(value) is int or type(value) is float:
        return len(repr(value))
    if type(value) is ExecValue:
        return text_size(value.stdout) + text_size(value.stderr) + 90
    if type(value) is ErrorValue:
        inner = sum(map(size_of, value.errors)) if value.errors else 0
        return text_size(value.message) + text_size(value.stderr or "") + 60 + inner
    if type(value) is SecretHandle:
        return sum(text_size(text) + 16 for _, text in value.parts)
    return 5 if value is False else 4


def weight(value: Value) -> int:
    """Instructions counted for walking or sharing a value: one for every 16 items or 256 bytes."""
    if type(value) is str:
        return text_size(value) >> 8
    if type(value) is Array or type(value) is Map:
        return max(len(value) >> 4, value.size >> 8)
    if type(value) is ExecValue or type(value) is ErrorValue:
        return size_of(value) >> 8
    return 0


def bound_of(value: Value) -> int:
    if type(value) is Array or type(value) is Map:
        return value.bound
    return 2 if type(value) is ErrorValue and value.errors else 0


def share_items(container: Array | Map) -> None:
    """The containers in it are held by a second one from now on."""
    if container.bound > 1:
        for item in container.values() if isinstance(container, Map) else container:
            if type(item) is Array or type(item) is Map:
                item.shared = True


def nested(bound: int, container: Array | Map) -> None:
    """Sets how deep `container` nests.

    Raises:
        Fault: kind `limit`, where it really is too deep: bounds do not shrink when an item goes.
    """
    container.bound = bound
    if bound > NESTING.most:
        _measure(container, NESTING.most)


def _measure(container: Array | Map, allowed: int) -> int:
    """How deep it nests, found anew only where its bound is more than `allowed`: so what was found is not walked
    again, however often something is put around it."""
    if container.bound > allowed:
        if not allowed:
            raise NESTING.fault()
        depth = 0
        for item in container.values() if isinstance(container, Map) else container:
            inner = type(item) is Array or type(item) is Map
            depth = max(depth, _measure(item, allowed - 1) if inner else bound_of(item))  # type: ignore[arg-type]
        if depth >= allowed:
            raise NESTING.fault()
        container.bound = depth + 1
    return container.bound


def array(items: Iterable[Value]) -> Array:
    """A new array. Containers among the items count as shared.

    Raises:
        Fault: kind `limit`.
    """
    made = Array(items)
    if len(made) > ITEMS.most:
        raise ITEMS.fault()
    size, bound = 2, 0
    for item in made:
        if type(item) is str:
            size += (len(item) if item.isascii() else len(item.encode())) + 3
        elif type(item) is Array or type(item) is Map:
            size += item.size + 1
            item.shared = True
            if item.bound > bound:
                bound = item.bound
        else:
            size += size_of(item) + 1
            bound = max(bound, bound_of(item))
    made.size, made.shared, made.bound = size, False, bound + 1
    return _within_limits(made)


def _within_limits(made: AnyContainer) -> AnyContainer:
    if made.size > STATE.most:  # no variable could hold it; and nothing can be too much to walk
        raise STATE.fault()
    if made.bound > NESTING.most:
        nested(made.bound, made)
    return made


def mapping(entries: Iterable[tuple[str, Value]]) -> Map:
    """A new map. Containers among the values count as shared.

    Raises:
        Fault: kind `limit`.
    """
    made = Map(entries)
    if len(made) > ITEMS.most:
        raise ITEMS.fault()
    size, bound = 2, 0
    for key, value in made.items():
        size += text_size(key) + size_of(value) + 4
        if type(value) is Array or type(value) is Map:
            value.shared = True
        bound = max(bound, bound_of(value))
    made.size, made.shared, made.bound = size, False, bound + 1
    return _within_limits(made)


def text(made: str) -> str:
    """`made`, if it is within the limit.

    Raises:
        Fault: kind `limit`.
    """
    if len(made) > STRING.most or (len(made) * 4 > STRING.most and text_size(made) > STRING.most):
        raise STRING.fault()
    return made


def whole(number: int) -> int:
    """`number`, if it is a 64-bit integer.

    Raises:
        Fault: kind `value_error`.
    """
    if LEAST <= number <= MOST:
        return number
    raise value_fault("the result is no 64-bit integer (overflow)")


def finite(number: float) -> float:
    """`number`, if it is neither infinite nor NaN.

    Raises:
        Fault: kind `value_error`.
    """
    if number - number == 0.0:
        return number
    raise value_fault("the result is no finite number (overflow)")


# From and to plain data


def from_plain(plain: Any) -> Value:
    """The value for plain data (JSON's types, or values) from outside.

    Raises:
        Fault: kind `limit`, or `value_error` for what is no value.
    """
    return _from_plain(plain, 0)


def _from_plain(plain: Any, depth: int) -> Value:
    if isinstance(plain, str):
        return text(scalar_text(plain))
    if plain is None or type(plain) in (bool, ExecValue, ErrorValue, SecretHandle):
        return plain  # type: ignore[no-any-return]
    if isinstance(plain, int):
        return whole(int(plain))
    if isinstance(plain, float):
        return finite(float(plain))
    if depth >= NESTING.most:
        raise NESTING.fault()
    if isinstance(plain, list | tuple):
        return array(_from_plain(item, depth + 1) for item in plain)
    if isinstance(plain, dict):
        return mapping((text(scalar_text(key)), _from_plain(item, depth + 1)) for key, item in plain.items())
    raise value_fault(f"{type(plain).__name__} is no value")


def scalar_text(given: str) -> str:
    """`given`, if it is Unicode scalar values without U+0000.

    Raises:
        Fault: kind `value_error`.
    """
    if "\0" in given:
        raise value_fault("a string cannot hold the character U+0000")
    if not given.isascii():
        try:
            given.encode()
        except UnicodeEncodeError:
            raise value_fault("a string cannot hold half a character (a lone surrogate)") from None
    return given


def to_result(value: Value) -> Any:
    """Plain JSON data for people: an exec result is its stdout, a secret `***`, an error a map."""
    if isinstance(value, list):
        return [item if type(item) in PLAIN else to_result(item) for item in value]
    if isinstance(value, dict):
        return {key: item if type(item) in PLAIN else to_result(item) for key, item in value.items()}
    if isinstance(value, ExecValue):
        return value.stdout
    if isinstance(value, ErrorValue):
        return {name: to_result(field) for name, field in value.fields().items()}
    if isinstance(value, SecretHandle):
        return HIDDEN
    return value


def json_text(value: Value, indent: int | None = None) -> str:
    """JSON without spaces (with them where `indent` is given): floats always with `.` or exponent.

    Raises:
        Fault: kind `type_error` for a secret in it, `limit`.
    """
    if indent is None:
        return text(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_json_special))
    chunks: list[str] = []
    size = 0
    for chunk in json.JSONEncoder(ensure_ascii=False, indent=indent, default=_json_special).iterencode(value):
        size += len(chunk)
        if size > STRING.most:
            raise STRING.fault()
        chunks.append(chunk)
    return text("".join(chunks))


def _json_special(value: object) -> Any:
    if isinstance(value, ExecValue):
        return value.stdout
    if isinstance(value, ErrorValue):
        return value.fields()
    raise secret_fault()


def secret_fault() -> Fault:
    return type_fault("a secret can only be joined to text, kept and passed on: its value is not known here")


def as_text(value: Value) -> str:
    """What `str` gives: the value as text.

    Raises:
        Fault: kind `type_error` for a secret, `limit`.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, ExecValue):
        return value.stdout
    return json_text(value)


def shown(value: Value) -> str:
    """The value as text for people: never a secret, never an error."""
    if isinstance(value, str):
        return value
    plain = to_result(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
