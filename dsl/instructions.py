"""An instruction becomes one closure over a frame: it does its work and answers which instruction is next.

An answer below zero says that the frame changed (~next; the new frame is in Running.slots), or STOP. What the
instructions from one on cost, up to the next that can go two ways or leave the frame, is counted by whoever
goes there (`enter`): a statement itself counts nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codeai.dsl import operators
from codeai.dsl.builtins_data import steps
from codeai.dsl.expressions import Evaluate, Expressions, Part, no_value
from codeai.dsl.faults import Fault, type_fault
from codeai.dsl.limits import CALL_DEPTH, FRAME_SIZE, ITEMS
from codeai.dsl.opcodes import FIRST, NOWHERE
from codeai.dsl.operators import truth
from codeai.dsl.program import Code
from codeai.dsl.running import LIGHT, STOP, UNSET, Running, Slots, Why
from codeai.dsl.values import (
    LEAST,
    MOST,
    Array,
    ErrorValue,
    ExecValue,
    Map,
    SecretHandle,
    array,
    named,
    shown,
    size_of,
    weight,
)

Step = Callable[[Slots], int]


class Binding:
    """What the instructions of one unit are bound with."""

    def __init__(self, code: Code, costs: list[int], enter: list[int], expressions: Expressions) -> None:
        self.code, self.costs, self.enter = code, costs, enter
        self._expressions = expressions
        self.blanks: list[Slots] = []
        self.links: dict[int, tuple[int, int, int]] = {}

    def part(self, pc: int, words: list[Any]) -> Part:
        return self._expressions.bind(words, self.code.lines[pc])

    def run(self, pc: int, words: list[Any]) -> Evaluate:
        return self.part(pc, words).run

    def target(self, pc: int) -> int:
        """Where one comes to who goes to `pc`: jumps are followed now."""
        while self.code.code[pc][0] == "jump":
            pc = self.code.code[pc][1]
        return pc

    def integer(self, value: int) -> int:
        return self._expressions.constant(value)


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


def _while(binding: Binding, pc: int, words: list[Any], target: int) -> Step:
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


def _loop(binding: Binding, pc: int) -> Step:
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
    running.spent += weight(value)
    slots[first] = 0


def _advice(value: Any) -> str:
    return ": lines(…) gives the lines of a text" if isinstance(value, str | ExecValue) else ""


def _for(binding: Binding, pc: int, first: int, words: list[Any]) -> Step:
    part, after = binding.part(pc, words), binding.target(pc + 1)
    run, fresh = part.run, part.fresh

    def begin(slots: Slots) -> int:
        value, running = run(slots), slots[0]
        _begin(running, slots, first, value, pc)
        if not fresh:
            value.shared = True
        running.store(slots, first + 2, value, pc, True)
        return after

    return begin


def _over(binding: Binding, pc: int, first: int, source: int, name: str) -> Step:
    after = binding.target(pc + 1)

    def begin(slots: Slots) -> int:
        value = slots[source] if source >= 0 else slots[1][~source]
        if value is UNSET:
            raise no_value(name)
        _begin(slots[0], slots, first, value, pc)
        return after

    return begin


def _next(binding: Binding, pc: int, first: int, source: int, names: list[int], target: int) -> Step:
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


def _count(binding: Binding, pc: int, first: int, expressions: list[list[Any]]) -> Step:
    runs = [binding.run(pc, words) for words in expressions]
    after = binding.target(pc + 1)

    def begin(slots: Slots) -> int:
        numbers = steps(*(run(slots) for run in runs))
        slots[0].spent += len(numbers) >> 4
        slots[first], slots[first + 1], slots[first + 2] = numbers.start, numbers.stop, numbers.step
        return after

    return begin


def _step(binding: Binding, pc: int, first: int, name: int, target: int) -> Step:
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
                running.spent += weight(value)
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


# Errors and effects


def _fail(binding: Binding, pc: int, words: list[Any]) -> Step:
    run = binding.run(pc, words)

    def fail(slots: Slots) -> int:
        value = run(slots)
        if isinstance(value, ErrorValue):
            raise Fault(value.kind, value.message, value.line, value)
        raise Fault("failed", shown(value))

    return fail


def _asks(binding: Binding, pc: int, slot: int, why: Why, given: Callable[[Slots], Any]) -> Step:
    """Stops with what `given` gathers for the machine."""
    binding.links[pc] = (binding.target(pc + 1), slot, binding.enter[pc + 1])

    def ask(slots: Slots) -> int:
        running = slots[0]
        running.given = given(slots)
        running.pc, running.slots, running.why = pc, slots, why
        return STOP

    return ask


def _named(binding: Binding, pc: int, arguments: list[list[Any]]) -> Callable[[Slots], dict[str, Any]]:
    runs = [(name, binding.run(pc, words)) for name, words in arguments]
    return lambda slots: {name: run(slots) for name, run in runs}


def _effect(binding: Binding, pc: int, name: str, arguments: list[list[Any]], slot: int) -> Step:
    gather = _named(binding, pc, arguments)
    if name != "secret":
        return _asks(binding, pc, slot, Why.EFFECT, gather)
    after, after_cost = binding.target(pc + 1), binding.enter[pc + 1]

    def handle(slots: Slots) -> int:
        name = operators.as_string(gather(slots)["name"])
        if not name:
            raise type_fault("secret takes the name of a secret")
        slots[0].spent += after_cost
        if slot != NOWHERE:
            slots[0].store(slots, slot, SecretHandle((("secret", name),)), pc, True)
        return after

    return handle


def _exec(
    binding: Binding,
    pc: int,
    _text: str,
    options: list[list[Any]],
    _mentions: list[Any],
    undo: list[Any] | None,
    _assigned: str | None,
    slot: int,
) -> Step:
    own = _named(binding, pc, options)
    others = _named(binding, pc, undo[2] if undo else [])
    return _asks(binding, pc, slot, Why.EFFECT, lambda slots: {"options": own(slots), "undo": others(slots)})


def _parallel(
    binding: Binding,
    pc: int,
    words: list[Any],
    options: list[list[Any]],
    _name: int,
    target: int,
    slot: int,
) -> Step:
    gather, items = _named(binding, pc, options), binding.run(pc, words)
    ask = _asks(binding, pc, slot, Why.PARALLEL, lambda slots: (gather(slots), items(slots)))
    binding.links[pc] = (binding.target(target), slot, binding.enter[target])
    return ask


BINDERS: dict[str, Callable[..., Step]] = {
    "given": _given,
    "set": _set,
    "drop": _drop,
    "change": _change,
    "push": _push,
    "put": _put,
    "jump": _jump,
    "branch": _branch,
    "while": _while,
    "loop": _loop,
    "for": _for,
    "over": _over,
    "count": _count,
    "next": _next,
    "step": _step,
    "call": _call,
    "return": _return,
    "fail": _fail,
    "effect": _effect,
    "exec": _exec,
    "parallel": _parallel,
}
