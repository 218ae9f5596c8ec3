"""The operators as functions of two values. Python's own are wrong here: `True == 1`, wrapping, NaN.

Whoever calls them counts what they walk (`values.weight`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeGuard

from codeai.dsl.faults import Fault, type_fault
from codeai.dsl.limits import ITEMS, STRING
from codeai.dsl.values import (
    PLAIN,
    Array,
    ErrorValue,
    ExecValue,
    Map,
    SecretHandle,
    Value,
    as_text,
    bound_of,
    finite,
    named,
    nested,
    secret_fault,
    share_items,
    size_of,
    text,
    text_size,
    whole,
)


def as_string(value: Value) -> str | None:
    """The text that a string or an exec result stands for."""
    if type(value) is str:
        return value
    return value.stdout if type(value) is ExecValue else None


# Arithmetic


def is_number(value: Value) -> TypeGuard[int | float]:
    return type(value) is int or type(value) is float


def _number(result: int | float) -> int | float:
    return whole(result) if type(result) is int else finite(result)


def add(a: Value, b: Value) -> Value:
    """Adds numbers, joins two arrays, joins text where either side is a string."""
    if is_number(a) and is_number(b):
        return _number(a + b)
    if type(a) is Array and type(b) is Array:
        return joined(a, b)
    if type(a) is SecretHandle or type(b) is SecretHandle:
        return join_secret(a, b)
    if as_string(a) is not None or as_string(b) is not None:
        return concatenated(as_text(a), as_text(b))
    raise type_fault(f"+ cannot join {named(a)} and {named(b)}")


def concatenated(left: str, right: str) -> str:
    if len(left) + len(right) > STRING.most:
        raise STRING.fault()
    return text(left + right)


def join_secret(a: Value, b: Value) -> SecretHandle:
    parts: list[tuple[str, str]] = []
    for side in (a, b):
        parts += side.parts if isinstance(side, SecretHandle) else [("text", as_text(side))]
    if sum(text_size(part) for _, part in parts) > STRING.most:
        raise STRING.fault()
    return SecretHandle(tuple(parts))


def joined(a: Array, b: Array) -> Array:
    if len(a) + len(b) > ITEMS.most:
        raise ITEMS.fault()
    share_items(a)
    share_items(b)
    made = Array(a)
    made.extend(b)
    made.size, made.shared = a.size + b.size - 2, False
    made.bound = max(a.bound, b.bound)
    return made


def _no_numbers(sign: str, a: Value, b: Value) -> Fault:
    wrong = b if is_number(a) else a
    if type(wrong) is SecretHandle:
        return secret_fault()
    return type_fault(f"{sign} takes numbers, not {named(wrong)}")


def subtract(a: Value, b: Value) -> Value:
    if is_number(a) and is_number(b):
        return _number(a - b)
    raise _no_numbers("-", a, b)


def multiply(a: Value, b: Value) -> Value:
    if is_number(a) and is_number(b):
        return _number(a * b)
    raise _no_numbers("*", a, b)


def divide(a: Value, b: Value) -> Value:
    """An integer where two integers divide exactly, else the nearest double."""
    if not (is_number(a) and is_number(b)):
        raise _no_numbers("/", a, b)
    if b == 0:
        raise Fault("division_by_zero", "division by zero")
    if type(a) is int and type(b) is int:
        quotient, rest = divmod(a, b)
        return whole(quotient) if rest == 0 else a / b
    return finite(a / b)


def remainder(a: Value, b: Value) -> Value:
    """Takes the sign of the divisor."""
    if not (is_number(a) and is_number(b)):
        raise _no_numbers("%", a, b)
    if b == 0:
        raise Fault("division_by_zero", "division by zero")
    return a % b


def negate(a: Value) -> Value:
    if is_number(a):
        return whole(-a) if type(a) is int else -a
    raise _no_numbers("-", a, 0)


# Comparison


def equal(a: Value, b: Value) -> bool:
    """By content; 1 and 1.0 are equal, a bool is no number, an exec result is its stdout."""
    if type(a) is ExecValue:
        a = a.stdout
    if type(b) is ExecValue:
        b = b.stdout
    if type(a) is SecretHandle or type(b) is SecretHandle:
        raise secret_fault()
    if is_number(a) and is_number(b):
        return a == b
    if type(a) is not type(b):
        return False
    if type(a) is Array and type(b) is Array:
        return len(a) == len(b) and _equal_items(a, b)
    if type(a) is Map and type(b) is Map:
        return len(a) == len(b) and all(key in b and equal(value, b[key]) for key, value in a.items())
    if type(a) is ErrorValue and type(b) is ErrorValue:
        mine, theirs = a.fields(), b.fields()
        return mine.keys() == theirs.keys() and all(equal(mine[name], theirs[name]) for name in mine)
    return a == b


def _equal_items(a: Array, b: Array) -> bool:
    """Whether two arrays of one length are equal; the usual items at once, since there may be very many."""
    for one, other in zip(a, b, strict=True):
        if type(one) is type(other) and type(one) in PLAIN:
            if one != other:
                return False
        elif type(one) is Array and type(other) is Array:
            if len(one) != len(other) or (one and not _equal_items(one, other)):
                return False
        elif not equal(one, other):
            return False
    return True


def _order(sign: str, a: Value, b: Value) -> int:
    """Negative, 0 or positive: integers and floats exactly, strings by code point."""
    if is_number(a) and is_number(b):
        return (a > b) - (a < b)
    left, right = as_string(a), as_string(b)
    if left is not None and right is not None:
        return (left > right) - (left < right)
    if type(a) is SecretHandle or type(b) is SecretHandle:
        raise secret_fault()
    raise type_fault(f"{sign} needs two numbers or two strings, not {named(a)} and {named(b)}")


def less(a: Value, b: Value) -> bool:
    return _order("<", a, b) < 0


def more(a: Value, b: Value) -> bool:
    return _order(">", a, b) > 0


def at_most(a: Value, b: Value) -> bool:
    return _order("<=", a, b) <= 0


def at_least(a: Value, b: Value) -> bool:
    return _order(">=", a, b) >= 0


def not_equal(a: Value, b: Value) -> bool:
    return not equal(a, b)


def within(item: Value, container: Value) -> bool:
    """`in`: looks into an array, a map's keys, or a string."""
    if type(container) is Array:
        return any(equal(item, one) for one in container)
    if type(item) is SecretHandle or type(container) is SecretHandle:
        raise secret_fault()
    part = as_string(item)
    if type(container) is Map:
        if part is None:
            raise type_fault(f"a map's keys are strings: in cannot look for {named(item)}")
        return part in container
    whole_text = as_string(container)
    if whole_text is None:
        raise type_fault(f"in looks into an array, a map or a string, not into {named(container)}")
    if part is None:
        raise type_fault(f"in cannot look for {named(item)} in a string")
    return part in whole_text


def truth(value: Value) -> bool:
    """False are false, null, 0, "", [], {} and an exec result whose exit code is not 0."""
    if type(value) is ExecValue:
        return value.exit_code == 0
    if type(value) is SecretHandle:
        raise secret_fault()
    return True if type(value) is ErrorValue else bool(value)


# Looking into values


def index(subject: Value, key: Value) -> Value:
    """`subject[key]`."""
    if type(subject) is Array:
        return subject[position(subject, key)]
    if type(subject) is Map:
        name = map_key(key)
        if name not in subject:
            raise missing(name)
        return subject[name]
    if type(subject) is str:
        return subject[position(subject, key)]
    if type(subject) is SecretHandle:
        raise secret_fault()
    raise type_fault(f"{named(subject)} has no elements by index")


def position(subject: Array | str, key: Value) -> int:
    """The place in an array or string; negative counts from the end.

    Raises:
        Fault: kind `type_error` or `index_error`.
    """
    if type(key) is not int:
        raise type_fault(f"an index is an integer, not {named(key)}")
    if -len(subject) <= key < len(subject):
        return key
    what = "a string" if isinstance(subject, str) else "an array"
    raise Fault("index_error", f"index {key} is outside of {what} of {len(subject)}")


def map_key(key: Value) -> str:
    name = as_string(key)
    if name is None:
        raise (
            secret_fault()
            if type(key) is SecretHandle
            else type_fault(f"a map's key is a string, not {named(key)}")
        )
    return name


def missing(name: str) -> Fault:
    shown = name if len(name) <= 80 else name[:77] + "..."
    return Fault("key_error", f'there is no "{shown}"')


def member(subject: Value, name: str) -> Value:
    """`subject.name`."""
    if type(subject) is Map:
        if name not in subject:
            raise missing(name)
        return subject[name]
    if type(subject) is ExecValue:
        if name not in ExecValue.FIELDS:
            raise Fault("key_error", f'an exec result has no "{name}"; it has {", ".join(ExecValue.FIELDS)}')
        return getattr(subject, name)  # type: ignore[no-any-return]
    if type(subject) is ErrorValue:
        fields = subject.fields()
        if name not in fields:
            raise Fault("key_error", f'this error has no "{name}"; it has {", ".join(fields)}')
        return fields[name]  # type: ignore[no-any-return]
    if type(subject) is SecretHandle:
        raise secret_fault()
    raise type_fault(f'{named(subject)} has no "{name}"')


# Changing a container that belongs to one variable alone


def put(container: Array | Map, key: Value, value: Value) -> int:
    """Sets an element and gives the change of size. The caller owns `container` and adds it to those around.

    Raises:
        Fault: kind `index_error`, `type_error` or `limit`.
    """
    added = size_of(value)
    if type(value) is Array or type(value) is Map:
        value.shared = True
    if isinstance(container, Array):
        place = position(container, key)
        change = added - size_of(container[place])
        container[place] = value
    else:
        name = map_key(key)
        if name in container:
            change = added - size_of(container[name])
        else:
            if len(container) >= ITEMS.most:
                raise ITEMS.fault()
            change = added + text_size(name) + 4
        container[name] = value
    container.size += change
    if bound_of(value) >= container.bound:
        nested(bound_of(value) + 1, container)
    return change


def push(target: Array, item: Value) -> int:
    """Appends to an array that the caller owns, and gives the change of size.

    Raises:
        Fault: kind `limit`.
    """
    if len(target) >= ITEMS.most:
        raise ITEMS.fault()
    change = size_of(item) + 1
    target.append(item)
    target.size += change
    if bound_of(item) >= target.bound:
        nested(bound_of(item) + 1, target)
    return change


def extend(target: Array, items: Array) -> int:
    """Appends all of `items` to an array that the caller owns, and gives the change of size.

    Raises:
        Fault: kind `limit`.
    """
    if len(target) + len(items) > ITEMS.most:
        raise ITEMS.fault()
    share_items(items)
    change = items.size - 2
    target.extend(items)
    target.size += change
    target.bound = max(target.bound, items.bound)
    return change


BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": remainder,
    "==": equal,
    "!=": not_equal,
    "<": less,
    ">": more,
    "<=": at_most,
    ">=": at_least,
    "in": within,
}
