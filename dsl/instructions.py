"""An instruction becomes one closure over a frame: it does its work and answers which instruction is next.

An answer below zero says that the frame changed (~next; the new frame is in Running.slots), or STOP. What the
instructions from one on cost, up to the next that can go two ways or leave the frame, is counted by whoever
goes there (`enter`): a statement itself counts nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codeai.dsl import asking, loops
from codeai.dsl.binding import Binding, Step
from codeai.dsl.bound_operators import OVERFLOW, Evaluate, walked_add
from codeai.dsl.expressions import walked_array
from codeai.dsl.faults import Fault, value_fault
from codeai.dsl.limits import CALL_DEPTH, FRAME_SIZE, ITEMS, STRING
from codeai.dsl.opcodes import FIRST, NOWHERE
from codeai.dsl.operators import truth
from codeai.dsl.running import LIGHT, STOP, UNSET, Slots, Why
from codeai.dsl.values import (
    LEAST,
    LENGTHS,
    MOST,
    SMALL,
    Array,
    Map,
    size_of,
    weight,
)

# Variables


def _set(binding: Binding, pc: int, slot: int, words: list[Any]) -> Step:
    part = binding.part(pc, words)
    run, fresh, after = part.run, part.fresh, binding.target(pc + 1)

    if part.light:

        def set_light(slots: Slots) -> int:
            value = run(slots)
            if type(slots[slot]) in LIGHT:
                slots[slot] = value
            else:
                slots[0].store(slots, slot, value, pc, True)
            return after

        return set_light

    def set_any(slots: Slots) -> int:
        value = run(slots)
        if type(value) in LIGHT and type(slots[slot]) in LIGHT:
            slots[slot] = value
        else:
            slots[0].store(slots, slot, value, pc, fresh)
        return after

    return set_any


def _drop(binding: Binding, pc: int, words: list[Any]) -> Step:
    run, after = binding.run(pc, words), binding.target(pc + 1)

    def drop(slots: Slots) -> int:
        run(slots)
        return after

    return drop


def _change(binding: Binding, pc: int, slot: int, sign: str, words: list[Any]) -> Step:
    part, after = binding.part(pc, words), binding.target(pc + 1)
    run = part.run

    def change(slots: Slots) -> int:
        slots[0].change(slots, slot, sign, run(slots), pc)
        return after

    def less(slots: Slots) -> int:
        value, old = run(slots), slots[slot]
        if type(value) is int and type(old) is int:
            result = old - value
            if LEAST <= result <= MOST:
                slots[slot] = result
                return after
        slots[0].change(slots, slot, sign, value, pc)
        return after

    def extend(slots: Slots, item: Any) -> None:
        slots[0].change(slots, slot, sign, walked_array(slots, [item]), pc)

    if sign == "+":
        if part.only is not None:
            return _pushing(part.only, slot, pc, after, extend)
        return _adding(
            run, slot, pc, after, lambda slots, value: slots[0].change(slots, slot, sign, value, pc)
        )
    return less if sign == "-" else change


def _add(binding: Binding, pc: int, slot: int, words: list[Any]) -> Step:
    run, after = binding.run(pc, words[2:-2]), binding.target(pc + 1)

    def join(slots: Slots, value: Any) -> None:
        slots[0].store(slots, slot, walked_add(slots, slots[slot], value), pc, True)

    return _adding(run, slot, pc, after, join)


def _adding(run: Evaluate, slot: int, pc: int, after: int, otherwise: Callable[[Slots, Any], None]) -> Step:
    """Adds a value to a variable: a number, or text to its end, as loops do; what else there is does `otherwise`."""

    def add(slots: Slots) -> int:
        value, old = run(slots), slots[slot]
        if type(value) is int and type(old) is int:
            result = old + value
            if LEAST <= result <= MOST:
                slots[slot] = result
                return after
        elif (
            type(value) is str
            and type(old) is str
            and old.isascii()
            and value.isascii()
            and len(old) + len(value) <= STRING.most
        ):
            running = slots[0]
            if walked := (len(old) >> 8) + (len(value) >> 8):
                running.walked(walked)
            slots[slot] = None  # CPython copies no text of which `old` is the only holder
            old += value
            slots[slot] = old
            running.held += len(value)
            if running.held > running.room:
                running.grow(0, pc, slots, slot)
            return after
        otherwise(slots, value)
        return after

    return add


def _push(binding: Binding, pc: int, slot: int, words: list[Any], line: int) -> Step:
    run, after = binding.run(pc, words), binding.target(pc + 1)

    def push(slots: Slots, item: Any) -> None:
        try:
            slots[0].push(slots, slot, item, pc)
        except Fault as fault:
            fault.line = line
            raise

    return _pushing(run, slot, pc, after, push)


_SHORT = 250
"""Bytes of a text that counts nothing where it is added, even as the item of an array."""


def _pushing(run: Evaluate, slot: int, pc: int, after: int, otherwise: Callable[[Slots, Any], None]) -> Step:
    """Adds one item to a variable's array: an integer or short text, as loops do; what else there is does
    `otherwise`."""

    def push(slots: Slots) -> int:
        item, target = run(slots), slots[slot]
        if type(target) is not Array or target.shared or len(target) >= ITEMS.most:
            otherwise(slots, item)
            return after
        if type(item) is int:
            change = 1 + (LENGTHS[item] if 0 <= item < SMALL else len(repr(item)))
        elif type(item) is str and len(item) < _SHORT and item.isascii():
            change = len(item) + 3
        else:
            otherwise(slots, item)
            return after
        target.append(item)
        target.size += change
        running = slots[0]
        running.held += change
        if running.held > running.room:
            running.grow(0, pc, slots)
        return after

    return push


def _put(binding: Binding, pc: int, slot: int, keys: list[list[Any]], sign: str, words: list[Any]) -> Step:
    runs = [binding.run(pc, key) for key in keys]
    run, after = binding.run(pc, words), binding.target(pc + 1)
    first = runs[0]

    def put_into(slots: Slots) -> int:
        path = [key(slots) for key in runs]
        slots[0].put(slots, slot, path, sign, run(slots), pc)
        return after

    def put_item(slots: Slots) -> int:
        """One key, the usual: an integer, or short text, where one was."""
        key, value, target = first(slots), run(slots), slots[slot]
        if type(key) is str:
            old = target.get(key) if type(target) is Map and not target.shared else None
        elif type(key) is int and type(target) is Array and not target.shared and 0 <= key < len(target):
            old = target[key]
        else:
            old = None
        if type(value) is int and type(old) is int:
            if sign:
                value = old + value if sign == "+" else old - value
            change = LENGTHS[value] if 0 <= value < SMALL else len(repr(value))
            change -= LENGTHS[old] if 0 <= old < SMALL else len(repr(old))
            if not LEAST <= value <= MOST:
                raise value_fault(OVERFLOW)
        elif (
            type(value) is str
            and type(old) is str
            and not sign
            and len(value) < 256
            and value.isascii()
            and old.isascii()
        ):
            change = len(value) - len(old)
        else:
            slots[0].put(slots, slot, [key], sign, value, pc)
            return after
        target[key] = value
        if change:
            target.size += change
            running = slots[0]
            running.held += change
            if running.held > running.room:
                running.grow(0, pc, slots)
        return after

    return put_item if len(runs) == 1 and sign in ("", "+", "-") else put_into


# Where to go on


def _given(binding: Binding, pc: int, slot: int, target: int) -> Step:
    there, there_cost = binding.target(target), binding.enter[target]
    here, here_cost = binding.target(pc + 1), binding.enter[pc + 1]

    def given(slots: Slots) -> int:
        if slots[slot] is UNSET:
            slots[0].spent += here_cost
            return here
        slots[0].spent += there_cost
        return there

    return given


def _jump(binding: Binding, _: int, target: int) -> Step:
    there = binding.target(target)
    return lambda _: there


def _branch(binding: Binding, pc: int, words: list[Any], target: int) -> Step:
    run = binding.run(pc, words)
    here, here_cost = binding.target(pc + 1), binding.enter[pc + 1]
    there, there_cost = binding.target(target), binding.enter[target]

    def branch(slots: Slots) -> int:
        value = run(slots)
        if value is True or (value is not False and truth(value)):
            slots[0].spent += here_cost
            return here
        slots[0].spent += there_cost
        return there

    return branch


# Functions

_WIDE = 1024
"""Variables and constants that are copied in the time of an instruction: a call with many more brings the slice's
end nearer."""


def _call(binding: Binding, pc: int, unit: int, expressions: list[list[Any]], slot: int) -> Step:
    runs = [binding.run(pc, words) for words in expressions]
    entry = binding.target(binding.code.units[unit].entry)
    entry_cost, back = binding.enter[entry], ~entry
    binding.links[pc] = (binding.target(pc + 1), slot, binding.enter[pc + 1])
    blanks = binding.blanks

    def call(slots: Slots) -> int:
        running = slots[0]
        values = [run(slots) for run in runs]
        stack = running.stack
        if len(stack) >= CALL_DEPTH.most:
            raise CALL_DEPTH.fault()
        stack.append((slots, pc, running.held))
        frame = blanks[unit].copy()
        frame[0], frame[1] = running, slots[1]
        if len(frame) > _WIDE:
            running.stop -= len(frame) // _WIDE
        held, place = FRAME_SIZE, FIRST
        for value in values:
            if type(value) not in LIGHT:
                running.walked(weight(value))
                held += size_of(value)
                if type(value) is Array or type(value) is Map:
                    value.shared = True
            frame[place] = value
            place += 1
        running.slots = frame
        running.held += held
        running.spent += entry_cost
        if running.held > running.room:
            running.grow(0, entry, frame)
        if running.spent > running.stop:
            return running.pause(entry, frame)  # type: ignore[no-any-return]
        return back

    return call


def _return(binding: Binding, pc: int, words: list[Any]) -> Step:
    run = binding.run(pc, words)
    links = binding.links

    def back(slots: Slots) -> int:
        value, running = run(slots), slots[0]
        stack = running.stack
        if not stack:
            running.value, running.why, running.pc, running.slots = value, Why.ENDED, pc, slots
            return STOP
        frame, call, held = stack.pop()
        running.slots, running.held = frame, held
        after, slot, after_cost = links[call]
        running.spent += after_cost
        if slot != NOWHERE:
            if type(value) in LIGHT and type(frame[slot]) in LIGHT:
                frame[slot] = value
            else:
                running.store(frame, slot, value, call, False)
        return ~after

    return back


BINDERS: dict[str, Callable[..., Step]] = {
    "given": _given,
    "set": _set,
    "drop": _drop,
    "change": _change,
    "add": _add,
    "push": _push,
    "put": _put,
    "jump": _jump,
    "branch": _branch,
    "while": loops.while_,
    "loop": loops.loop,
    "for": loops.for_,
    "over": loops.over,
    "count": loops.count,
    "next": loops.next_,
    "step": loops.step,
    "call": _call,
    "return": _return,
    "fail": asking.fail,
    "effect": asking.effect,
    "exec": asking.exec_,
    "parallel": asking.parallel,
}
