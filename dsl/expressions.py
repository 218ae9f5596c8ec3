"""A pure expression becomes one closure over a frame, made once per process."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from codeai.dsl import operators
from codeai.dsl.builtins import BUILTINS
from codeai.dsl.faults import Fault, value_fault
from codeai.dsl.limits import STRING
from codeai.dsl.opcodes import WORDS
from codeai.dsl.operators import truth
from codeai.dsl.program import Expression
from codeai.dsl.running import LIGHT, UNSET, Slots
from codeai.dsl.values import (
    LEAST,
    MOST,
    Array,
    Map,
    SecretHandle,
    Value,
    array,
    as_text,
    mapping,
    size_of,
    text_size,
    weight,
)

Evaluate = Callable[[Slots], Any]

_FRESH = frozenset(
    {"[", "{", "s", "+", "-", "*", "/", "%", "==", "!=", "<", ">", "<=", ">=", "in", "not", "neg"}
)
_LIGHT_WORDS = _FRESH - {"[", "{", "s", "+"}


class Part:
    """A bound expression. `place` is where its value stands in the frame, -1 where it is computed; `fresh`:
    nobody else holds the value; `light`: it is a number, bool or null."""

    __slots__ = ("fresh", "light", "place", "run")

    def __init__(self, run: Evaluate, place: int = -1, fresh: bool = False, light: bool = False) -> None:
        self.run, self.place, self.fresh, self.light = run, place, fresh, light


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
            part = BINDERS[name](self, stack, name, operands)
            if name in _WITH_LINE and operands[-1] != line:
                part.run = _on_line(part.run, operands[-1])
            stack.append(part)
        (part,) = stack
        return part

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
        items = [run(slots) for run in runs]
        for item in items:
            if type(item) not in LIGHT:
                slots[0].spent += weight(item)
        return array(items)

    return Part(make, fresh=True)


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
                slots[0].spent += weight(value)
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
                slots[0].spent += weight(value)
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


def _walked_add(slots: Slots, a: Value, b: Value) -> Value:
    if type(a) not in LIGHT or type(b) not in LIGHT:
        slots[0].spent += weight(a) + weight(b)
    return operators.add(a, b)


def _walked_in(slots: Slots, a: Value, b: Value) -> Value:
    slots[0].spent += weight(a) if type(b) is Map else weight(a) + weight(b)
    return operators.within(a, b)


def _walked_comparison(compare: Callable[[Value, Value], bool]) -> Callable[[Slots, Value, Value], bool]:
    def walked(slots: Slots, a: Value, b: Value) -> bool:
        if type(a) not in LIGHT and type(b) not in LIGHT:
            slots[0].spent += min(weight(a), weight(b))
        return compare(a, b)

    return walked


def _plain(compute: Callable[[Value, Value], Value]) -> Callable[[Slots, Value, Value], Value]:
    def computed(_: Slots, a: Value, b: Value) -> Value:
        return compute(a, b)

    return computed


_SLOW: dict[str, Callable[[Slots, Value, Value], Value]] = {
    "+": _walked_add,
    "in": _walked_in,
    **{sign: _plain(operators.BINARY[sign]) for sign in ("-", "*", "/", "%")},
    **{sign: _walked_comparison(operators.BINARY[sign]) for sign in ("==", "!=", "<", ">", "<=", ">=")},  # type: ignore[arg-type]
}
_FAST: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_OVERFLOW = "the result is no 64-bit integer (overflow)"


def _binary(_: Expressions, stack: list[Part], sign: str, __: list[Any]) -> Part:
    right, left = stack.pop(), stack.pop()
    light = sign in _LIGHT_WORDS
    slow = _SLOW[sign]
    fast = _FAST.get(sign)
    if fast is None:
        run = _general(left.run, right.run, slow)
    elif sign in ("+", "-", "*"):
        run = _arithmetic(left, right, fast, slow)
    else:
        run = _comparison(left, right, fast, slow)
    return Part(run, fresh=True, light=light)


def _general(left: Evaluate, right: Evaluate, slow: Callable[[Slots, Value, Value], Value]) -> Evaluate:
    def run(slots: Slots) -> Any:
        return slow(slots, left(slots), right(slots))

    return run


def _arithmetic(
    left: Part, right: Part, fast: Callable[[Any, Any], Any], slow: Callable[[Slots, Value, Value], Value]
) -> Evaluate:
    """Two integers first: that is what loops count with."""
    i, j, one, other = left.place, right.place, left.run, right.run
    if i >= 0 and j >= 0:

        def of_places(slots: Slots) -> Any:
            a, b = slots[i], slots[j]
            if type(a) is int and type(b) is int:
                result = fast(a, b)
                if LEAST <= result <= MOST:
                    return result
                raise value_fault(_OVERFLOW)
            return slow(slots, a, b)

        return of_places

    def of_values(slots: Slots) -> Any:
        a, b = one(slots), other(slots)
        if type(a) is int and type(b) is int:
            result = fast(a, b)
            if LEAST <= result <= MOST:
                return result
            raise value_fault(_OVERFLOW)
        return slow(slots, a, b)

    return of_values


def _comparison(
    left: Part, right: Part, fast: Callable[[Any, Any], Any], slow: Callable[[Slots, Value, Value], Value]
) -> Evaluate:
    i, j, one, other = left.place, right.place, left.run, right.run
    if i >= 0 and j >= 0:

        def of_places(slots: Slots) -> Any:
            a, b = slots[i], slots[j]
            if type(a) is int and type(b) is int:
                return fast(a, b)
            return slow(slots, a, b)

        return of_places

    def of_values(slots: Slots) -> Any:
        a, b = one(slots), other(slots)
        if type(a) is int and type(b) is int:
            return fast(a, b)
        return slow(slots, a, b)

    return of_values


def _and(_: Expressions, stack: list[Part], __: str, ___: list[Any]) -> Part:
    right, left = stack.pop().run, stack.pop().run

    def run(slots: Slots) -> Any:
        value = left(slots)
        if value is True or (value is not False and truth(value)):
            return right(slots)
        return value

    return Part(run)


def _or(_: Expressions, stack: list[Part], __: str, ___: list[Any]) -> Part:
    right, left = stack.pop().run, stack.pop().run

    def run(slots: Slots) -> Any:
        value = left(slots)
        if value is True or (value is not False and truth(value)):
            return value
        return right(slots)

    return Part(run)


def _not(_: Expressions, stack: list[Part], __: str, ___: list[Any]) -> Part:
    operand = stack.pop().run

    def run(slots: Slots) -> Any:
        value = operand(slots)
        return value is False or (value is not True and not truth(value))

    return Part(run, fresh=True, light=True)


def _negate(_: Expressions, stack: list[Part], __: str, ___: list[Any]) -> Part:
    operand = stack.pop().run
    return Part(lambda slots: operators.negate(operand(slots)), fresh=True, light=True)


def _index(_: Expressions, stack: list[Part], __: str, ___: list[Any]) -> Part:
    key, subject = stack.pop().run, stack.pop().run
    look = operators.index

    def run(slots: Slots) -> Any:
        container, at = subject(slots), key(slots)
        if type(container) is Array and type(at) is int and 0 <= at < len(container):
            return container[at]
        return look(container, at)

    return Part(run)


def _member(_: Expressions, stack: list[Part], __: str, operands: list[Any]) -> Part:
    subject, name = stack.pop().run, operands[0]
    look = operators.member

    def run(slots: Slots) -> Any:
        container = subject(slots)
        if type(container) is Map and name in container:
            return container[name]
        return look(container, name)

    return Part(run)


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

        def look(slots: Slots) -> Any:
            values = [run(slots) for run in arguments]
            return function(*(values if in_order else [values[place] for place in places]))

        return Part(look, fresh=row.fresh)

    if in_order and len(arguments) == 1:
        (only,) = arguments

        def walk_one(slots: Slots) -> Any:
            value = only(slots)
            result = function(value)
            walked = 0 if type(value) in LIGHT else weight(value)
            if type(result) is Array:
                walked = max(walked, weight(result))
            if walked:
                slots[0].spent += walked
            return result

        return Part(walk_one, fresh=row.fresh)

    def walk(slots: Slots) -> Any:
        values = [run(slots) for run in arguments]
        result = function(*(values if in_order else [values[place] for place in places]))
        walked = 0
        for value in values:
            if type(value) not in LIGHT:
                walked += weight(value)
        if type(result) is Array:
            walked = max(walked, weight(result))
        if walked:
            slots[0].spent += walked
        return result

    return Part(walk, fresh=row.fresh)


BINDERS: dict[str, Callable[[Expressions, list[Part], str, list[Any]], Part]] = {
    "v": _variable,
    "t": _temporary,
    "g": _global,
    "c": _constant,
    "[": _array,
    "{": _map,
    "s": _template,
    **dict.fromkeys(operators.BINARY, _binary),
    "and": _and,
    "or": _or,
    "not": _not,
    "neg": _negate,
    "i": _index,
    ".": _member,
    "b": _builtin,
}
