"""Whether an event's data has all that a `wait_event` asks for."""

from __future__ import annotations

from codeai.dsl.operators import equal
from codeai.dsl.values import Map, Value


def includes(data: Value, where: Value) -> bool:
    """Whether `data` has every key of `where` with an equal value; a map in `where` asks the same of the map in
    `data`, and what is no map has to be equal as by `==`."""
    if type(where) is not Map:
        return equal(data, where)
    if type(data) is not Map:
        return False
    return all(key in data and includes(data[key], asked) for key, asked in where.items())
