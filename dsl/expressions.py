"""A pure expression becomes one closure over a frame, made once per process."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from codeai.dsl import bound_operators as bound
from codeai.dsl import operators
from codeai.dsl.bound_operators import Evaluate, Part
from codeai.dsl.builtins import BUILTINS
from codeai.dsl.faults import Fault
from codeai.dsl.limits import STRING
from codeai.dsl.opcodes import WORDS
from codeai.dsl.program import Expression
from codeai.dsl.running import LIGHT, UNSET, Slots
from codeai.dsl.values import (
    Array,
    SecretHandle,
    Value,
    array,
    as_text,
    mapping,
    size_of,
    text_size,
    weight,
)


def cost(words: Expression) -> int:
    """The nodes of an expression: the instructions that it counts as."""
    count = at = 0
    while at < len(words):
        count += 1
        at += _LENGTHS[words[at]]
    return count


_LENGTHS = {word.name: 1 + len(word.operands) for word in WORDS.values()}


class Expressions:
    """Binds the expressions of one unit; `constants` stand in its frames from place `base` on."""

    def __init__(self, base: int) -> None:
        self._base = base
        self.constants: list[Value] = []

    def bind(self, words: Expression, line: int) -> Part:
        """One closure for an expression of an instruction that stands on `line`."""
        stack: list[Part] = []
        at = 0
        while at < len(words):
            name = words[at]
            operands = words[at + 1 : at + _LENGTHS[name]]
            at += _LENGTHS[name]
            part = self.word(stack, name, operands)
            if name in _WITH_LINE and operands[-1] != line:
                part.run = _on_line(part.run, operands[-1])
            stack.append(part)
        (part,) = stack
        return part

    def word(self, stack: list[Part], name: str, operands: list[Any]) -> Part:
        """The closure of one word, for the operands that it takes from the stack."""
        return BINDERS[name](self, stack, name, operands)

    def constant(self, value: Value) -> int:
        """The place of a constant in the frame."""
        self.constants.append(value)
        return self._base + len(self.constants) - 1


_WITH_LINE = frozenset(word.name for word in WORDS.values() if word.operands[-1:] == ("line",))


def _on_line(run: Evaluate, line: int) -> Evaluate:
    def evaluate(slots: Slots) -> Any:
        try:
            return run(slots)
        except Fault as fault:
            fault.line = fault.line or line
            raise

    return evaluate


# Leaves


def _leaf(place: int, light: bool = False) -> Part:
    return Part(operator.itemgetter(place), place, False, light)


def _variable(_: Expressions, __: list[Part], ___: str, operands: list[Any]) -> Part:
    return _leaf(operands[0])


def _constant(unit: Expressions, _: list[Part], __: str, operands: list[Any]) -> Part:
    value = operands[0]
    if isinstance(value, str) and text_size(value) > STRING.most:

        def too_long(_: Slots) -> Any:
            raise STRING.fault()

        return Part(too_long)
    return _leaf(unit.constant(value), type(value) in LIGHT)


def _temporary(_: Expressions, __: list[Part], ___: str, operands: list[Any]) -> Part:
    place = operands[0]

    def take(slots: Slots) -> Any:
        value = slots[place]
        slots[place] = UNSET
        if type(value) not in LIGHT:
            slots[0].held -= size_of(value)
        return value

    return Part(take)


def no_value(name: str) -> Fault:
    """A function was called before the `var` of a variable that it reads."""
    return Fault("name_error", f'"{name}" has no value yet: its `var` has not run')


def _global(_: Expressions, __: list[Part], ___: str, operands: list[Any]) -> Part:
    place, name, _line = operands

    def read(slots: Slots) -> Any:
        value = slots[1][place]
        if value is UNSET:
            raise no_value(name)
        return value

    return Part(read)


# Containers and text


def _popped(stack: list[Part], count: int) -> list[Evaluate]:
    if not count:
        return []
    parts = [part.run for part in stack[-count:]]
    del stack[-count:]
    return parts


def _array(_: Expressions, stack: list[Part], __: str, operands: list[Any]) -> Part:
    runs = _popped(stack, operands[0])

    def make(slots: Slots) -> Any:
        return walked_array(slots, [run(slots) for run in runs])

    return Part(make, fresh=True, only=runs[0] if len(runs) == 1 else None)


def walked_array(slots: Slots, items: list[Value]) -> Array:
    """An array literal, counted."""
    for item in items:
        if type(item) not in LIGHT:
            slots[0].walked(weight(item))
    return array(items)


def _map(_: Expressions, stack: list[Part], __: str, operands: list[Any]) -> Part:
    keys: list[str | None] = operands[0]
    runs = _popped(stack, len(keys) + keys.count(None))
    pairs: list[tuple[str | Evaluate, Evaluate]] = []
    at = 0
    for key in keys:
        if key is None:
            pairs.append((runs[at], runs[at + 1]))
            at += 2
        else:
            pairs.append((key, runs[at]))
            at += 1

    def make(slots: Slots) -> Any:
        entries: list[tuple[str, Value]] = []
        for key, run in pairs:
            name = key if isinstance(key, str) else operators.map_key(key(slots))
            value = run(slots)
            if type(value) not in LIGHT:
                slots[0].walked(weight(value))
            entries.append((name, value))
        return mapping(entries)

    return Part(make, fresh=True)


def _template(_: Expressions, stack: list[Part], __: str, operands: list[Any]) -> Part:
    runs = _popped(stack, operands[0])

    def make(slots: Slots) -> Any:
        parts: list[str] = []
        size = 0
        for at, run in enumerate(runs):
            value = run(slots)
            if type(value) is SecretHandle:
                return _secret("".join(parts), value, [rest(slots) for rest in runs[at + 1 :]])
            if type(value) not in LIGHT:
                slots[0].walked(weight(value))
            part = as_text(value)
            size += len(part)
            if size > STRING.most:
                raise STRING.fault()
            parts.append(part)
        made = "".join(parts)
        if text_size(made) > STRING.most:
            raise STRING.fault()
        return made

    return Part(make, fresh=True)


def _secret(head: str, handle: SecretHandle, rest: list[Value]) -> SecretHandle:
    made = operators.join_secret(head, handle) if head else handle
    for value in rest:
        made = operators.join_secret(made, value)
    return made


# Operators


def _binary(_: Expressions, stack: list[Part], sign: str, __: list[Any]) -> Part:
    right, left = stack.pop(), stack.pop()
    return bound.binary(sign, left, right)


def _of_two(make: Callable[[Evaluate, Evaluate], Part]) -> Callable[..., Part]:
    def bind(_: Expressions, stack: list[Part], __: str, ___: list[Any]) -> Part:
        right, left = stack.pop(), stack.pop()
        return make(left.run, right.run)

    return bind


def _of_one(make: Callable[[Evaluate], Part]) -> Callable[..., Part]:
    return lambda _, stack, __, ___: make(stack.pop().run)


def _member(_: Expressions, stack: list[Part], __: str, operands: list[Any]) -> Part:
    return bound.field(stack.pop().run, operands[0])


# Built-in functions


def _builtin(unit: Expressions, stack: list[Part], _: str, operands: list[Any]) -> Part:
    name, places, _line = operands
    row = BUILTINS[name]
    given = sum(isinstance(place, int) for place in places)
    arguments = _popped(stack, given)
    for at, place in enumerate(places):  # defaults stand after the arguments
        if not isinstance(place, int):
            arguments.append(_leaf(unit.constant(place[0])).run)
            places = [*places[:at], len(arguments) - 1, *places[at + 1 :]]
    function = row.function
    in_order = places == list(range(len(places)))

    if not row.walks:
        return Part(_call(function, arguments, None if in_order else places), fresh=row.fresh)

    def walk(slots: Slots) -> Any:
        values = [run(slots) for run in arguments]
        walked = 0
        for value in values:
            if type(value) not in LIGHT:
                walked += weight(value)
        if walked:  # before the call: a program may catch its error and go on
            slots[0].walked(walked)
        result = function(*(values if in_order else [values[place] for place in places]))
        more = 0
        if row.counts:
            result, more = result
        if type(result) is Array:
            more = max(more, weight(result) - walked)
        if more:
            slots[0].walked(more)
        return result

    if not (in_order and len(arguments) == 1):
        return Part(walk, fresh=row.fresh)
    (only,) = arguments

    def walk_one(slots: Slots) -> Any:
        value = only(slots)
        walked = 0 if type(value) in LIGHT else weight(value)
        if walked:
            slots[0].walked(walked)
        result = function(value)
        if type(result) is Array and (more := weight(result) - walked) > 0:
            slots[0].walked(more)
        return result

    return Part(walk_one, fresh=row.fresh)


def _call(function: Callable[..., Any], runs: list[Evaluate], places: list[int] | None) -> Evaluate:
    """A call with the values of `runs`, in the order of `places`; without a list of them where they are few."""
    if places is not None or len(runs) > 3:

        def of_all(slots: Slots) -> Any:
            values = [run(slots) for run in runs]
            return function(*(values if places is None else [values[place] for place in places]))

        return of_all
    if len(runs) == 1:
        (only,) = runs
        return lambda slots: function(only(slots))
    if len(runs) == 2:
        left, right = runs
        return lambda slots: function(left(slots), right(slots))
    first, second, third = runs
    return lambda slots: function(first(slots), second(slots), third(slots))


BINDERS: dict[str, Callable[[Expressions, list[Part], str, list[Any]], Part]] = {
    "v": _variable,
    "t": _temporary,
    "g": _global,
    "c": _constant,
    "[": _array,
    "{": _map,
    "s": _template,
    **dict.fromkeys(operators.BINARY, _binary),
    "and": _of_two(bound.both),
    "or": _of_two(bound.either),
    "not": _of_one(bound.negation),
    "neg": _of_one(bound.minus),
    "i": _of_two(bound.element),
    ".": _member,
    "b": _builtin,
}
