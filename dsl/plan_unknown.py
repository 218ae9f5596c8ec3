"""Values that only a run can know: what people see of them, and what follows from them without a run.

An unknown stands where a value would: arrays and maps hold it, variables and arguments pass it on. Whoever
has to look into it finds out first (`is_unknown`) and goes on with another unknown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from codeai.dsl import operators
from codeai.dsl.brief import brief
from codeai.dsl.values import (
    HIDDEN,
    Array,
    ErrorValue,
    ExecValue,
    Map,
    SecretHandle,
    Value,
    as_text,
    to_result,
    weight,
)

LONGEST = 200
"""About how many characters of a value are shown."""
_OPERAND = 40


class Undecided(Exception):
    """Somebody asked whether an unknown value is true."""

    def __init__(self, value: Unknown) -> None:
        super().__init__(value.text)
        self.value = value


class Unknown:
    """`text` is what people see: `<stdout of line 12>`, or where known text is joined to it
    `registry/web:<stdout of line 12>`. `type` is known of some; an exec result says what it is the result `of`
    and has the fields that are `known`."""

    __slots__ = ("known", "of", "text", "type")

    def __init__(
        self, text: str, type: str | None = None, of: str = "", known: Mapping[str, Value] | None = None
    ) -> None:
        self.text = text if len(text) <= LONGEST else text[: LONGEST - 2] + "…>"
        self.type, self.of, self.known = type, of, known or {}

    def __bool__(self) -> bool:
        if "exit_code" in self.known:
            return self.known["exit_code"] == 0
        raise Undecided(self)

    def __repr__(self) -> str:
        return self.text

    @property
    def condition(self) -> str:
        """The text of the question whether it is true."""
        return f"<exit_code of {self.of} == 0>" if self.of else self.text

    @property
    def inner(self) -> str:
        """The text as part of a larger one."""
        if self.text.startswith("<") and self.text.find(">") == len(self.text) - 1:
            return self.text[1:-1]
        return json.dumps(self.text, ensure_ascii=False)


Guess: TypeAlias = "Value | Unknown"
"""A value, or what is known of one."""


def unknown(what: str, type: str | None = None) -> Unknown:
    """What people see as `<what>`."""
    return Unknown(f"<{what if len(what) < LONGEST else what[: LONGEST - 4] + '…'}>", type)


def result_of_exec(line: int, checked: bool) -> Unknown:
    """The result of a command; where it is `checked` the program goes on only after exit code 0."""
    known: dict[str, Value] = {"exit_code": 0} if checked else {}
    return Unknown(f"<stdout of line {line}>", "exec", f"line {line}", known)


def member(subject: Unknown, name: str) -> Guess:
    """`subject.name`.

    Raises:
        Fault: an exec result has no such field.
    """
    if subject.type != "exec":
        return unknown(f"{name} of {subject.inner}")
    operators.member(ExecValue(), name)
    if name in subject.known:
        return subject.known[name]
    return unknown(f"{name} of {subject.of}", "string" if name in ("stdout", "stderr") else None)


def is_unknown(value: Guess) -> bool:
    """Whether it is unknown, or something in it is."""
    if type(value) is Array:
        return any(map(is_unknown, value))
    if type(value) is Map:
        return any(map(is_unknown, value.values()))
    return type(value) is Unknown


def effort(value: Guess) -> int:
    """Instructions counted for looking through a value."""
    return 0 if isinstance(value, Unknown) else weight(value)


def same(one: Guess, other: Guess) -> bool:
    """Whether two values cannot be told apart, as far as they are known."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, Array) and isinstance(other, Array):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, Map) and isinstance(other, Map):
        return list(one) == list(other) and all(map(same, one.values(), other.values()))
    if isinstance(one, Unknown) and isinstance(other, Unknown):
        return one.text == other.text and one.type == other.type and one.known.keys() == other.known.keys()
    if isinstance(one, SecretHandle) and isinstance(other, SecretHandle):
        return one.parts == other.parts
    if isinstance(one, ErrorValue) and isinstance(other, ErrorValue):
        return bool(to_result(one) == to_result(other))
    return repr(one) == repr(other)


# For people


def plain(value: Guess) -> Any:
    """Short plain JSON data: unknowns by their texts, secrets hidden."""
    return _told(brief(value, LONGEST))  # type: ignore[arg-type]


def _told(value: Any) -> Any:
    if type(value) is Unknown:
        return value.text
    if isinstance(value, list):
        return [_told(item) for item in value]
    if isinstance(value, dict):
        return {key: _told(item) for key, item in value.items()}
    return value


def in_text(value: Guess) -> str:
    """What a text has where the value is joined to it."""
    if type(value) is Unknown:
        return value.text
    if is_unknown(value):
        return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))
    return as_text(value)  # type: ignore[arg-type]


def operand(value: Guess) -> str:
    """The value as part of an expression that people see."""
    if type(value) is Unknown:
        return value.inner
    text = HIDDEN if type(value) is SecretHandle else json.dumps(plain(value), ensure_ascii=False)
    return text if len(text) <= _OPERAND else text[: _OPERAND - 1] + "…"
