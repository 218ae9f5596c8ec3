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
from codeai.dsl.bound_operators import Evaluate
from codeai.dsl.faults import Fault
from codeai.dsl.limits import CALL_DEPTH, FRAME_SIZE, ITEMS
from codeai.dsl.opcodes import FIRST, NOWHERE
from codeai.dsl.operators import truth
from codeai.dsl.running import LIGHT, STOP, UNSET, Slots, Why
from codeai.dsl.values import (
    LEAST,
    MOST,
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
    if sign not in ("+", "-"):
        return _change_any(run, slot, sign, pc, after)
    factor = 1 if sign == "+" else -1

    def count(slots: Slots) -> int:
        value, old = run(slots), slots[slot]
        if type(value) is int and type(old) is int:
            result = old + factor * value
            if LEAST <= result <= MOST:
                slots[slot] = result
                return after
        slots[0].change(slots, slot, sign, value, pc)
        return after

    return count


def _change_any(run: Evaluate, slot: int, sign: str, pc: int, after: int) -> Step:
    def change(slots: Slots) -> int:
        slots[0].change(slots, slot, sign, run(slots), pc)
        return after

    return change


def _push(binding: Binding, pc: int, slot: int, words: list[Any], line: int) -> Step:
    run, after = binding.run(pc, words), binding.target(pc + 1)

    def push(slots: Slots) -> int:
        item, target = run(slots), slots[slot]
        if type(item) is int and type(target) is Array and not target.shared and len(target) < ITEMS.most:
            target.append(item)
            change = len(repr(item)) + 1
            target.size += change
            running = slots[0]
            running.held += change
            if running.held > running.room:
                running.grow(0, pc, slots)
            return after
        try:
            slots[0].push(slots, slot, item, pc)
        except Fault as fault:
            fault.line = line
            raise
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
        key, value, target = first(slots), run(slots), slots[slot]
        if (
            type(target) is Array
            and not target.shared
            and type(value) is int
            and type(key) is int
            and 0 <= key < len(target)
            and type(target[key]) is int
        ):
            running = slots[0]
            change = len(repr(value)) - len(repr(target[key]))
            target[key] = value
            target.size += change
            running.held += change
            if running.held > running.room:
                running.grow(0, pc, slots)
            return after
        slots[0].put(slots, slot, [key], sign, value, pc)
        return after

    return put_into if sign or len(runs) > 1 else put_item


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
