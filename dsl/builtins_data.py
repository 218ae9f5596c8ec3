"""Built-in functions on numbers, arrays and maps: bodies of the rows in `builtins.py`."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from math import ceil as ceiling
from math import floor as flooring
from typing import Any

from codeai.dsl import operators
from codeai.dsl.builtins_text import (
    given_array,
    given_integer,
    parsed_float,
    parsed_integer,
)
from codeai.dsl.faults import type_fault, value_fault
from codeai.dsl.limits import ITEMS
from codeai.dsl.operators import as_string, is_number, truth
from codeai.dsl.values import (
    Array,
    ErrorValue,
    Map,
    SecretHandle,
    Value,
    array,
    as_text,
    finite,
    mapping,
    named,
    secret_fault,
    share_items,
    text,
    type_name,
    whole,
)

# Every value


def len_(x: Value) -> Value:
    if type(x) is Array or type(x) is Map:
        return len(x)
    found = as_string(x)
    if found is None:
        raise _wrong("len takes a string, an array or a map", x)
    return len(found)


def str_(x: Value) -> Value:
    if type(x) is SecretHandle:
        raise secret_fault()
    return text(as_text(x))


def int_(x: Value) -> Value:
    if type(x) is int:
        return x
    if type(x) is float:
        return whole(int(x))
    found = as_string(x)
    if found is None:
        raise _wrong("int takes a number or a string", x)
    return parsed_integer(found)


def float_(x: Value) -> Value:
    if is_number(x):
        return float(x)
    found = as_string(x)
    if found is None:
        raise _wrong("float takes a number or a string", x)
    return parsed_float(found)


def bool_(x: Value) -> Value:
    return truth(x)


def type_(x: Value) -> Value:
    return type_name(x)


def contains(x: Value, y: Value) -> Value:
    return operators.within(y, x)


def default(subject: Value, key: Value, *rest: Value) -> Value:
    """`default(x, value)` or `default(m, key, value)`."""
    if not rest:
        return key if subject is None else subject
    if type(subject) is Map:
        return subject.get(key if type(key) is str else operators.map_key(key), rest[0])
    if subject is None:
        return rest[0]
    raise _wrong("default with a key takes a map", subject)


def _wrong(rule: str, value: Value) -> Exception:
    return secret_fault() if type(value) is SecretHandle else type_fault(f"{rule}, not {named(value)}")


# Numbers


def number(function: str, value: Value) -> int | float:
    if not is_number(value):
        raise _wrong(f"{function} takes a number", value)
    return value


def abs_(x: Value) -> Value:
    found = number("abs", x)
    return whole(abs(found)) if type(found) is int else abs(found)


_WIDE = Context(prec=700)  # digits enough for every double


def round_(x: Value, digits: Value) -> Value:
    """Half away from zero, of the number as it is written."""
    found, places = number("round", x), given_integer("round", digits)
    if not -30 <= places <= 30:
        raise value_fault(f"round: digits are from -30 to 30, not {places}")
    if places == 0 and type(found) is int:
        return found
    exact = Decimal(repr(found))
    scaled = (exact.scaleb(places, _WIDE)).quantize(Decimal(1), ROUND_HALF_UP, _WIDE)
    if places == 0:
        return whole(int(scaled))
    return finite(float(scaled.scaleb(-places, _WIDE)))


def floor(x: Value) -> Value:
    return whole(flooring(number("floor", x)))


def ceil(x: Value) -> Value:
    return whole(ceiling(number("ceil", x)))


def sum_(items: Value) -> Value:
    total: int | float = 0
    for item in given_array("sum", items):
        total = total + number("sum", item)
        total = whole(total) if type(total) is int else finite(total)
    return total


def min_(*items: Value) -> Value:
    return _extreme("min", items, lambda one, best: one < best)


def max_(*items: Value) -> Value:
    return _extreme("max", items, lambda one, best: one > best)


def _extreme(function: str, items: tuple[Value, ...], better: Callable[..., bool]) -> Value:
    several = given_array(function, items[0]) if len(items) == 1 else list(items)
    if not several:
        raise value_fault(f"{function} of nothing: the array is empty")
    keys = _sort_keys(function, several)
    best = 0
    for at, key in enumerate(keys):
        if better(key, keys[best]):
            best = at
    return several[best]


def _sort_keys(function: str, items: Sequence[Value]) -> list[Any]:
    """What the items are compared by: all numbers or all strings."""
    if all(map(is_number, items)):
        return list(items)
    texts = [as_string(item) for item in items]
    for item, found in zip(items, texts, strict=True):
        if found is None:
            raise _wrong(f"{function} takes all numbers or all strings", item)
    return texts


# Arrays and maps


def range_(start: Value, *rest: Value) -> Value:
    """`range(stop)` or `range(start, stop, step)`."""
    return array(steps(start, *rest))


def steps(start: Value, *rest: Value) -> range:
    """The integers that `range` gives.

    Raises:
        Fault: kind `type_error`, `value_error` or `limit`.
    """
    numbers = [given_integer("range", one) for one in (start, *rest)]
    if len(numbers) == 3 and numbers[2] == 0:
        raise value_fault("range: the step cannot be 0")
    made = range(*numbers)
    if abs(made.stop - made.start) > abs(made.step) * ITEMS.most and made:
        raise ITEMS.fault()
    return made


def keys(m: Value) -> Value:
    return array(_given_map("keys", m))


def values(m: Value) -> Value:
    return array(_given_map("values", m).values())


def _given_map(function: str, value: Value) -> Map:
    if type(value) is not Map:
        raise _wrong(f"{function} takes a map", value)
    return value


def slice_(x: Value, start: Value, to: Value) -> Value:
    if type(x) is Array:
        found = x[given_integer("slice", start) : None if to is None else given_integer("slice", to)]
        return array(found)
    source = as_string(x)
    if source is None:
        raise _wrong("slice takes a string or an array", x)
    return source[given_integer("slice", start) : None if to is None else given_integer("slice", to)]


def append(items: Value, item: Value) -> Value:
    made = given_array("append", items).copied()
    if type(item) is Array or type(item) is Map:
        item.shared = True
    operators.push(made, item)
    return made


def _rearranged(source: Array, items: list[Value]) -> Array:
    """A new array of the same items in another order."""
    made = Array(items)
    made.size, made.bound, made.shared = source.size, source.bound, False
    share_items(source)
    return made


def sort(items: Value) -> Value:
    source = given_array("sort", items)
    by = _sort_keys("sort", source)
    if all(map(operator.is_, by, source)):
        return _rearranged(source, sorted(by))
    order = sorted(range(len(source)), key=by.__getitem__)
    return _rearranged(source, [source[at] for at in order])


def reverse(items: Value) -> Value:
    source = given_array("reverse", items)
    return _rearranged(source, source[::-1])


def unique(items: Value) -> Value:
    seen: set[Hashable] = set()
    kept: list[Value] = []
    for item in given_array("unique", items):
        key = identity(item)
        if key not in seen:
            seen.add(key)
            kept.append(item)
    return array(kept)


def identity(value: Value) -> Hashable:
    """Two values are `==` where these are equal."""
    if is_number(value):
        return value
    found = as_string(value)
    if found is not None:
        return found
    if type(value) is Array:
        return ("array", *map(identity, value))
    if type(value) is Map:
        return ("map", frozenset((key, identity(one)) for key, one in value.items()))
    if type(value) is ErrorValue:
        return ("error", *((name, identity(field)) for name, field in value.fields().items()))
    if type(value) is SecretHandle:
        raise secret_fault()
    return ("bool", value) if value is not None else ("null",)


def merge(*maps: Value) -> Value:
    made: dict[str, Value] = {}
    for one in maps:
        made.update(_given_map("merge", one))
        if len(made) > ITEMS.most:
            raise ITEMS.fault()
    return mapping(made.items())
