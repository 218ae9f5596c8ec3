"""What the machine asks for and is answered: requests, results, and the four answers of `advance`.

Here the arguments of an effect are checked against its row in `effects.py`, defaults filled in, durations
turned into seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from codeai.dsl.builtins_time import duration_of
from codeai.dsl.effects import EFFECTS, UNDO_OPTIONS, Kind, Option
from codeai.dsl.faults import Fault, type_fault, value_fault
from codeai.dsl.limits import EFFECT_INPUT
from codeai.dsl.operators import as_string
from codeai.dsl.values import (
    HIDDEN,
    Array,
    ErrorValue,
    ExecValue,
    Map,
    SecretHandle,
    Value,
    named,
    shown,
    size_of,
    text_size,
)


@dataclass(frozen=True, slots=True)
class UndoRequest:
    """The compensation of a command, as it was when the command started."""

    line: int
    text: str
    variables: dict[str, Value]
    arguments: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Request:
    """One effect that the program asks for. `step` is unique in the run; `arguments` are complete and checked,
    durations in seconds; an exec has its `text` and the `variables` that the text mentions. `assigned` names
    the variable that is given all of its result, where the undo mentions it."""

    step: int
    effect: str
    line: int
    fibre: int
    arguments: dict[str, Value]
    text: str | None = None
    variables: dict[str, Value] = field(default_factory=dict)
    undo: UndoRequest | None = None
    assigned: str | None = None


@dataclass(frozen=True, slots=True)
class EffectResult:
    """How an effect ended. `undoable` False: the command never started, so there is nothing to undo."""

    value: Any = None
    error: ErrorValue | None = None
    undoable: bool = True


@dataclass(frozen=True, slots=True)
class Asking:
    """The program waits. `requests` are new since the last time; the steps in `withdrawn` shall be cancelled:
    their answers are still awaited."""

    requests: tuple[Request, ...] = ()
    withdrawn: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Sliced:
    """The slice is over: call again a little later."""


@dataclass(frozen=True, slots=True)
class Finished:
    value: Value


@dataclass(frozen=True, slots=True)
class Failed:
    error: ErrorValue


_REFUSE_SECRETS = frozenset({"agent", "job", "emit"})
_FOR_PEOPLE = frozenset({"log", "approve", "set_status"})


def effect_arguments(effect: str, given: dict[str, Value]) -> dict[str, Value]:
    """The complete arguments of an effect.

    Raises:
        Fault: kind `type_error`, `value_error` or `limit`.
    """
    if input_size(given) > EFFECT_INPUT.most:
        raise EFFECT_INPUT.fault()
    if effect in _REFUSE_SECRETS and any(map(_has_secret, given.values())):
        raise type_fault(f"{effect} takes no secrets: their values would be stored")
    if effect in _FOR_PEOPLE:
        given = {name: _hidden(value) for name, value in given.items()}
    made = _checked(effect, EFFECTS[effect].options, given)
    if effect == "log":
        made["text"] = shown(made["text"])
    return made


def undo_arguments(given: dict[str, Value], of_exec: dict[str, Value]) -> dict[str, Value]:
    """The complete options of an undo; `cwd` and `env` are its command's unless given.

    Raises:
        Fault: as `effect_arguments`.
    """
    return _checked("undo", UNDO_OPTIONS, {"cwd": of_exec["cwd"], "env": of_exec["env"], **given})


def parallel_options(given: dict[str, Value], options: tuple[Option, ...]) -> tuple[int, bool]:
    """How many fibres run at once, and whether failures are collected."""
    made = _checked("parallel", options, given)
    limit = made["limit"]
    assert isinstance(limit, int)
    return limit, made["on_error"] == "collect"


def parallel_items(value: Value) -> Array:
    """What a parallel walks.

    Raises:
        Fault: kind `type_error`.
    """
    if type(value) is not Array:
        raise type_fault(f"parallel for walks an array, not {named(value)}")
    return value


def input_size(given: dict[str, Value]) -> int:
    """Bytes of what is given to an effect; a string counts as its text."""
    return sum(map(_argument_size, given.values()))


def _argument_size(value: Value) -> int:
    found = as_string(value)
    return size_of(value) if found is None else text_size(found)


def _hidden(value: Value) -> Value:
    return HIDDEN if isinstance(value, SecretHandle) else value


def _has_secret(value: Value) -> bool:
    if isinstance(value, Array):
        return any(map(_has_secret, value))
    if isinstance(value, Map):
        return any(map(_has_secret, value.values()))
    return isinstance(value, SecretHandle)


def _checked(effect: str, options: tuple[Option, ...], given: dict[str, Value]) -> dict[str, Value]:
    made: dict[str, Value] = {}
    for option in options:
        value = given.get(option.name)
        if value is None and option.kind is not Kind.ANY:
            if option.name in given and (option.required or option.default is not None):
                raise type_fault(f"{effect}: {option.name} takes {_WANTED[option.kind]}, not null")
            made[option.name] = option.default  # type: ignore[assignment]
        elif option.name not in given:
            made[option.name] = option.default  # type: ignore[assignment]
        else:
            made[option.name] = _fitting(effect, option, value)
    return made


_WANTED = {
    Kind.BOOL: "a bool",
    Kind.COUNT: "an integer that is not negative",
    Kind.POSITIVE: "an integer from 1",
    Kind.DURATION: 'a duration such as "1h30m" or a number of seconds',
    Kind.TEXT: "a string",
    Kind.MAP: "a map",
    Kind.ARRAY: "an array",
}
_TYPES: dict[Kind, type] = {
    Kind.BOOL: bool,
    Kind.COUNT: int,
    Kind.POSITIVE: int,
    Kind.MAP: Map,
    Kind.ARRAY: Array,
}


def _fitting(effect: str, option: Option, value: Value) -> Value:
    where, kind = f"{effect}: {option.name}", option.kind
    fitting: Value = value
    if kind is Kind.TEXT:
        fitting = as_string(value)
    elif kind is Kind.DURATION:
        try:
            fitting = duration_of(value)
        except Fault as fault:
            raise value_fault(f"{where}: {fault.message}") from None
    elif kind is not Kind.ANY and type(value) is not _TYPES[kind]:
        fitting = None
    if fitting is None and kind is not Kind.ANY:
        raise type_fault(f"{where} takes {_WANTED[kind]}, not {named(value)}")
    if isinstance(fitting, int | float) and not isinstance(fitting, bool):
        least = 1 if kind is Kind.POSITIVE else 0
        if kind in (Kind.COUNT, Kind.POSITIVE) and fitting < least:
            raise value_fault(f"{where} takes {_WANTED[kind]}, not {fitting}")
        if option.most is not None and fitting > option.most:
            raise value_fault(f"{where} is at most {option.most:g}, not {fitting}")
    if option.words and fitting not in option.words:
        raise value_fault(f"{where} is one of {', '.join(option.words)}, not {shown(value)}")
    return fitting


def exec_error(value: ExecValue, line: int) -> ErrorValue:
    """The error of a command that ended with another exit code than 0."""
    last = value.stderr.strip().rpartition("\n")[2]
    tail = f": {last[:200]}" if last else ""
    return ErrorValue(
        "exec_failed",
        f"the command ended with exit code {value.exit_code}{tail}",
        line,
        value.exit_code,
        value.stderr,
    )
