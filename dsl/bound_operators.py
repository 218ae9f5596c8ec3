"""The operators as closures over a frame: the usual case first, and what they walk counted."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from codeai.dsl import operators
from codeai.dsl.faults import value_fault
from codeai.dsl.operators import truth
from codeai.dsl.running import LIGHT, Slots
from codeai.dsl.values import LEAST, MOST, Array, Map, Value, weight

Evaluate = Callable[[Slots], Any]


class Part:
    """A bound expression. `place` is where its value stands in the frame, -1 where it is computed; `fresh`:
    nobody else holds the value; `light`: it is a number, bool or null; `only`: the one item of an array literal."""

    __slots__ = ("fresh", "light", "only", "place", "run")

    def __init__(
        self,
        run: Evaluate,
        place: int = -1,
        fresh: bool = False,
        light: bool = False,
        only: Evaluate | None = None,
    ) -> None:
        self.run, self.place, self.fresh, self.light, self.only = run, place, fresh, light, only


def walked_add(slots: Slots, a: Value, b: Value) -> Value:
    """`a + b`, counted."""
    if type(a) not in LIGHT or type(b) not in LIGHT:
        slots[0].walked(weight(a) + weight(b))
    return operators.add(a, b)


def _walked_in(slots: Slots, a: Value, b: Value) -> Value:
    slots[0].walked(weight(a) if type(b) is Map else weight(a) + weight(b))
    return operators.within(a, b)


def _walked_comparison(compare: Callable[[Value, Value], bool]) -> Callable[[Slots, Value, Value], bool]:
    def walked(slots: Slots, a: Value, b: Value) -> bool:
        if type(a) not in LIGHT and type(b) not in LIGHT:
            slots[0].walked(min(weight(a), weight(b)))
        return compare(a, b)

    return walked


def _plain(compute: Callable[[Value, Value], Value]) -> Callable[[Slots, Value, Value], Value]:
    def computed(_: Slots, a: Value, b: Value) -> Value:
        return compute(a, b)

    return computed


_SLOW: dict[str, Callable[[Slots, Value, Value], Value]] = {
    "+": walked_add,
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
OVERFLOW = "the result is no 64-bit integer (overflow)"


def binary(sign: str, left: Part, right: Part) -> Part:
    """`left sign right`, for all operators but `and` and `or`."""
    light = sign != "+"
    slow = _SLOW[sign]
    fast = _FAST.get(sign)
    if sign == "in":
        run = _membership(left.run, right.run, slow)
    elif fast is None:
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


def _membership(left: Evaluate, right: Evaluate, slow: Callable[[Slots, Value, Value], Value]) -> Evaluate:
    def run(slots: Slots) -> Any:
        item, container = left(slots), right(slots)
        if type(container) is Map and type(item) is str and len(item) < 64:
            return item in container
        return slow(slots, item, container)

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
                raise value_fault(OVERFLOW)
            return slow(slots, a, b)

        return of_places

    if j >= 0:

        def of_value_and_place(slots: Slots) -> Any:
            a, b = one(slots), slots[j]
            if type(a) is int and type(b) is int:
                result = fast(a, b)
                if LEAST <= result <= MOST:
                    return result
                raise value_fault(OVERFLOW)
            return slow(slots, a, b)

        return of_value_and_place

    def of_values(slots: Slots) -> Any:
        a, b = one(slots), other(slots)
        if type(a) is int and type(b) is int:
            result = fast(a, b)
            if LEAST <= result <= MOST:
                return result
            raise value_fault(OVERFLOW)
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


def both(left: Evaluate, right: Evaluate) -> Part:
    """`left and right`."""

    def run(slots: Slots) -> Any:
        value = left(slots)
        if value is True or (value is not False and truth(value)):
            return right(slots)
        return value

    return Part(run)


def either(left: Evaluate, right: Evaluate) -> Part:
    """`left or right`."""

    def run(slots: Slots) -> Any:
        value = left(slots)
        if value is True or (value is not False and truth(value)):
            return value
        return right(slots)

    return Part(run)


def negation(operand: Evaluate) -> Part:
    """`not operand`."""

    def run(slots: Slots) -> Any:
        value = operand(slots)
        return value is False or (value is not True and not truth(value))

    return Part(run, fresh=True, light=True)


def minus(operand: Evaluate) -> Part:
    """`-operand`."""
    return Part(lambda slots: operators.negate(operand(slots)), fresh=True, light=True)


def element(subject: Evaluate, key: Evaluate) -> Part:
    """`subject[key]`."""
    look = operators.index

    def run(slots: Slots) -> Any:
        container, at = subject(slots), key(slots)
        if type(container) is Array and type(at) is int and 0 <= at < len(container):
            return container[at]
        return look(container, at)

    return Part(run)


def field(subject: Evaluate, name: str) -> Part:
    """`subject.name`."""
    look = operators.member

    def run(slots: Slots) -> Any:
        container = subject(slots)
        if type(container) is Map and name in container:
            return container[name]
        return look(container, name)

    return Part(run)
