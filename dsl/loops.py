"""The instructions of loops: heads, where a slice can end, and what begins them."""

from __future__ import annotations

from typing import Any

from codeai.dsl.binding import Binding, Step
from codeai.dsl.builtins_data import steps
from codeai.dsl.expressions import no_value
from codeai.dsl.faults import type_fault
from codeai.dsl.operators import truth
from codeai.dsl.running import LIGHT, UNSET, Running, Slots
from codeai.dsl.values import (
    Array,
    ExecValue,
    Map,
    array,
    named,
    size_of,
    weight,
)


def while_(binding: Binding, pc: int, words: list[Any], target: int) -> Step:
    run, own = binding.run(pc, words), binding.costs[pc]
    here, here_cost = binding.target(pc + 1), binding.enter[pc + 1] + own
    there, there_cost = binding.target(target), binding.enter[target] + own

    def head(slots: Slots) -> int:
        running = slots[0]
        if running.spent > running.stop:
            return running.pause(pc, slots)  # type: ignore[no-any-return]
        value = run(slots)
        if value is True or (value is not False and truth(value)):
            running.spent += here_cost
            return here
        running.spent += there_cost
        return there

    return head


def loop(binding: Binding, pc: int) -> Step:
    after, after_cost = binding.target(pc + 1), binding.enter[pc + 1] + binding.costs[pc]

    def head(slots: Slots) -> int:
        running = slots[0]
        if running.spent > running.stop:
            return running.pause(pc, slots)  # type: ignore[no-any-return]
        running.spent += after_cost
        return after

    return head


# Loops over values: the first place of three has the number of the next item, the second a map's keys, the
# third the value, where the loop has one of its own


def _begin(running: Running, slots: Slots, first: int, value: Any, pc: int) -> None:
    if type(value) is Map:
        running.store(slots, first + 1, array(value), pc, True)
    elif type(value) is not Array:
        raise type_fault(f"for walks an array or a map, not {named(value)}{_advice(value)}")
    running.walked(weight(value))
    slots[first] = 0


def begin_over(
    running: Running, slots: Slots, first: int, value: Any, pc: int, *, fresh: bool = False
) -> None:
    """A loop begins over a value of its own."""
    _begin(running, slots, first, value, pc)
    if not fresh:
        value.shared = True
    running.store(slots, first + 2, value, pc, True)


def _advice(value: Any) -> str:
    return ": lines(…) gives the lines of a text" if isinstance(value, str | ExecValue) else ""


def for_(binding: Binding, pc: int, first: int, words: list[Any]) -> Step:
    part, after = binding.part(pc, words), binding.target(pc + 1)
    run, fresh = part.run, part.fresh

    def begin(slots: Slots) -> int:
        begin_over(slots[0], slots, first, run(slots), pc, fresh=fresh)
        return after

    return begin


def over(binding: Binding, pc: int, first: int, source: int, name: str) -> Step:
    after = binding.target(pc + 1)

    def begin(slots: Slots) -> int:
        value = slots[source] if source >= 0 else slots[1][~source]
        if value is UNSET:
            raise no_value(name)
        _begin(slots[0], slots, first, value, pc)
        return after

    return begin


def next_(binding: Binding, pc: int, first: int, source: int, names: list[int], target: int) -> Step:
    own = binding.costs[pc]
    here, here_cost = binding.target(pc + 1), binding.enter[pc + 1] + own
    there, there_cost = binding.target(target), binding.enter[target] + own
    name = names[-1]
    local, place = source >= 0, max(source, ~source)

    def each(slots: Slots) -> int:
        """One name over an array of this frame, the usual loop; all others are `following`."""
        running, value, number = slots[0], slots[place], slots[first]
        if running.spent > running.stop or type(value) is Map or number >= len(value):
            return following(slots)
        slots[first] = number + 1
        running.spent += here_cost
        item = value[number]
        if type(item) in LIGHT and type(slots[name]) in LIGHT:
            slots[name] = item
        else:
            running.store(slots, name, item, pc, False)
        return here

    def following(slots: Slots) -> int:
        running = slots[0]
        if running.spent > running.stop:
            return running.pause(pc, slots)  # type: ignore[no-any-return]
        value = slots[place] if local else slots[1][place]
        number = slots[first]
        if number >= len(value):
            _forget(running, slots, first)
            running.spent += there_cost
            return there
        slots[first] = number + 1
        running.spent += here_cost
        key = number
        if type(value) is Map:
            key = slots[first + 1][number]
            item = value[key]
        else:
            item = value[number]
        if len(names) > 1:
            running.store(slots, names[0], key, pc, True)
        elif type(value) is Map:
            item = key
        running.store(slots, name, item, pc, False)
        return here

    return each if local and len(names) == 1 else following


def _forget(running: Running, slots: Slots, first: int) -> None:
    for place in range(first, first + 3):
        if type(slots[place]) not in LIGHT:
            running.held -= size_of(slots[place])
        slots[place] = UNSET


def count(binding: Binding, pc: int, first: int, expressions: list[list[Any]]) -> Step:
    runs = [binding.run(pc, words) for words in expressions]
    after = binding.target(pc + 1)

    def begin(slots: Slots) -> int:
        numbers = steps(*(run(slots) for run in runs))
        slots[0].walked(len(numbers) >> 4)
        slots[first], slots[first + 1], slots[first + 2] = numbers.start, numbers.stop, numbers.step
        return after

    return begin


def step(binding: Binding, pc: int, first: int, name: int, target: int) -> Step:
    own = binding.costs[pc]
    here, here_cost = binding.target(pc + 1), binding.enter[pc + 1] + own
    there, there_cost = binding.target(target), binding.enter[target] + own
    end, by = first + 1, first + 2

    def following(slots: Slots) -> int:
        running = slots[0]
        if running.spent > running.stop:
            return running.pause(pc, slots)  # type: ignore[no-any-return]
        number, step = slots[first], slots[by]
        if number < slots[end] if step > 0 else number > slots[end]:
            slots[first] = number + step
            if type(slots[name]) in LIGHT:
                slots[name] = number
            else:
                running.store(slots, name, number, pc, True)
            running.spent += here_cost
            return here
        slots[first] = slots[end] = slots[by] = UNSET
        running.spent += there_cost
        return there

    return following
