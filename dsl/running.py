"""The registers of a running program, as its instructions see them: counters, sizes, the stack of frames.

A frame is a list: the Running, the program's own frame, the variables, the temporaries, the constants. Sizes
are kept as values come and go; `dropped` places (blocks that ended) are emptied whenever a fibre rests, so
that a restored program counts as one that never stopped.
"""

from __future__ import annotations

import itertools
from enum import Enum
from typing import TYPE_CHECKING, Any

from codeai.dsl import operators
from codeai.dsl.faults import Fault, type_fault
from codeai.dsl.limits import FRAME_SIZE, INSTRUCTIONS, INSTRUCTIONS_OF_RUN, STATE
from codeai.dsl.ran import firsts, from_text
from codeai.dsl.values import (
    Array,
    ErrorValue,
    ExecValue,
    Map,
    SecretHandle,
    Value,
    named,
    nested,
    size_of,
    weight,
)

if TYPE_CHECKING:
    from codeai.dsl.bind import Bound

Slots = list[Any]
STOP = -(1 << 60)
"""What an instruction answers when the fibre goes no further now; Running.why says why."""


_UNWATCHED = [None] * 32


class Unset:
    """What a place holds before its variable has a value."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "unset"


UNSET = Unset()
LIGHT = frozenset({int, float, bool, type(None), Unset})
"""Types of values that count as part of their frame."""


class Why(Enum):
    """Why a fibre stopped."""

    PAUSED = "the slice is over"
    ENDED = "it returned"
    EFFECT = "it asks for an effect"
    PARALLEL = "it waits for its fibres"


class Running:
    """`spent` counts instructions over the whole run; at a loop head or function entry it may not be past `stop`.
    In straight code so many instructions run before the machine looks as `unwatched` has items; once something
    was walked past `stop` it has none. `held` is the size of the current fibre's values, `room` what it may have,
    `level` where its own begin. `ran` has 1 for each instruction that has run, `steps` what runs (see `ran.py`)."""

    __slots__ = (
        "given",
        "held",
        "level",
        "pc",
        "program",
        "ran",
        "room",
        "since",
        "slice_end",
        "slots",
        "spent",
        "stack",
        "steps",
        "stop",
        "unwatched",
        "value",
        "why",
    )

    def __init__(self, program: Bound) -> None:
        self.program = program
        self.spent = self.since = self.slice_end = self.stop = 0
        self.unwatched: list[None] = []
        self.held, self.room, self.level = 0, STATE.most, 0
        self.stack: list[tuple[Slots, int, int]] = []
        self.slots: Slots = []
        self.pc = 0
        self.why = Why.ENDED
        self.value: Value = None
        self.given: Any = None
        self.ran = bytearray(len(program.steps))
        self.steps = firsts(len(program.steps))

    def remember(self, ran: str | None) -> None:
        """What has run before; None: it is not known, so it may be all."""
        self.ran = bytearray(b"\1") * len(self.steps) if ran is None else from_text(ran, len(self.steps))
        for pc, step in enumerate(self.program.steps):
            if self.ran[pc]:
                self.steps[pc] = step

    # Counting

    def open_slice(self, length: int) -> None:
        self.slice_end = self.spent + length
        self.unwatched[:] = _UNWATCHED
        self._set_stop()

    def walked(self, weight: int) -> None:
        """Counts what was walked, and has the machine look where the slice is over by that."""
        self.spent += weight
        if self.spent > self.stop:
            self.unwatched.clear()

    def mark_effect(self) -> None:
        """An effect begins: the instructions between two effects are counted from here.

        Raises:
            Fault: kind `limit`, where there were too many before it.
        """
        self._check()
        self.since = self.spent
        self._set_stop()

    def _set_stop(self) -> None:
        self.stop = min(self.slice_end, self.since + INSTRUCTIONS.most, INSTRUCTIONS_OF_RUN.most)

    def _check(self) -> None:
        if self.spent - self.since > INSTRUCTIONS.most:
            raise INSTRUCTIONS.fault()
        if self.spent > INSTRUCTIONS_OF_RUN.most:
            raise INSTRUCTIONS_OF_RUN.fault()

    def pause(self, pc: int, slots: Slots) -> int:
        """Past `stop`: ends the slice before the instruction at `pc`.

        Raises:
            Fault: kind `limit`, where it is not the slice that is over.
        """
        self._check()
        self.pc, self.slots, self.why = pc, slots, Why.PAUSED
        return STOP

    # Values in places

    def store(self, slots: Slots, slot: int, value: Value, pc: int, fresh: bool) -> None:
        """Puts a value where a variable or temporary is; one that is not `fresh` is shared from now on.

        Raises:
            Fault: kind `limit`.
        """
        change = 0
        if type(value) is str and value.isascii():
            change = len(value) + 2
            if not fresh and (walked := len(value) >> 8):
                self.walked(walked)
        elif type(value) not in LIGHT:
            change = size_of(value)
            if not fresh:
                self.walked(weight(value))
                if type(value) is Array or type(value) is Map:
                    value.shared = True
        old = slots[slot]
        if type(old) is str and old.isascii():
            change -= len(old) + 2
        elif type(old) not in LIGHT:
            change -= size_of(old)
        slots[slot] = value
        self.held += change
        if self.held > self.room:
            self._overflow(pc, slots, slot)

    def grow(self, change: int, pc: int, slots: Slots, slot: int = 0) -> None:
        """The current fibre's values have grown, by what the instruction at `pc` puts into `slot`.

        Raises:
            Fault: kind `limit`.
        """
        self.held += change
        if self.held > self.room:
            self._overflow(pc, slots, slot)

    def _overflow(self, pc: int, slots: Slots, slot: int) -> None:
        """Counts again without what is left of blocks that ended."""
        self.walked(len(self.stack))
        self.held = self.settle(self.stack, slots, pc, self.level, slot)
        if self.held > self.room:
            raise STATE.fault()

    def settle(
        self, stack: list[tuple[Slots, int, int]], slots: Slots, pc: int, level: int, slot: int = 0
    ) -> int:
        """Empties the dropped places of a fibre's frames, counts again, and gives the size. The fibre's own
        variables begin at `level` of its first frame; those below are its parent's. Variables up to `slot` of
        the last frame are alive, whatever the instruction at `pc` says."""
        held = 0
        for number, (frame, call, _) in enumerate(stack):
            held += self._settled(frame, call, level if number == 0 else 0)
            stack[number] = (frame, call, held)
        return held + self._settled(slots, pc, level if not stack else 0, slot)

    def _settled(self, slots: Slots, pc: int, level: int, slot: int = 0) -> int:
        start, temporaries, end = self.program.extent(pc)
        held = FRAME_SIZE
        alive = min(max(start + self.program.code.heights[pc], slot + 1), temporaries)
        for value in itertools.chain(slots[start + level : alive], slots[temporaries:end]):
            if type(value) not in LIGHT:
                held += size_of(value)
        slots[alive:temporaries] = [UNSET] * (temporaries - alive)
        return held

    # Changing a variable's value in its place

    def owned(self, slots: Slots, slot: int) -> Array | Map:
        """The variable's array or map, which nobody else holds then."""
        value = slots[slot]
        if value.shared:
            value = slots[slot] = value.copied()
        return value  # type: ignore[no-any-return]

    def push(self, slots: Slots, slot: int, item: Value, pc: int) -> None:
        """`slot = append(slot, item)`."""
        if type(item) is Array or type(item) is Map:
            item.shared = True
        if type(item) not in LIGHT:
            self.walked(weight(item))
        if type(slots[slot]) is not Array:
            raise type_fault(f"append takes an array, not {named(slots[slot])}")
        target = self.owned(slots, slot)
        assert isinstance(target, Array)
        self.grow(operators.push(target, item), pc, slots)

    def change(self, slots: Slots, slot: int, operator: str, value: Value, pc: int) -> None:
        """`slot operator= value`."""
        old = slots[slot]
        if operator == "+" and type(old) is Array and type(value) is Array:
            self.walked(weight(value))
            target = self.owned(slots, slot)
            assert isinstance(target, Array)
            self.grow(operators.extend(target, value), pc, slots)
            return
        self.walked(weight(old) + weight(value))
        self.store(slots, slot, operators.BINARY[operator](old, value), pc, fresh=True)

    def put(self, slots: Slots, slot: int, keys: list[Value], operator: str, value: Value, pc: int) -> None:
        """`slot[key]… operator= value`."""
        if type(value) is Array or type(value) is Map:
            value.shared = True
        _changeable(slots[slot])
        around = [self.owned(slots, slot)]
        for key in keys[:-1]:
            around.append(_inner(around[-1], key))
        if operator:
            old = operators.index(around[-1], keys[-1])
            self.walked(weight(old))
            value = operators.BINARY[operator](old, value)
        if type(value) not in LIGHT:
            self.walked(weight(value))
        change = operators.put(around[-1], keys[-1], value)
        inner = around.pop()
        while around:
            outer = around.pop()
            outer.size += change
            if inner.bound >= outer.bound:
                nested(inner.bound + 1, outer)
            inner = outer
        self.grow(change, pc, slots)


def _inner(container: Array | Map, key: Value) -> Array | Map:
    """An element on the way to the one that is changed, which nobody else holds then."""
    found = operators.index(container, key)
    _changeable(found)
    assert isinstance(found, Array | Map)
    if found.shared:
        found = found.copied()
        if isinstance(container, Array):
            container[operators.position(container, key)] = found
        else:
            container[operators.map_key(key)] = found
    return found


def _changeable(value: Value) -> None:
    if type(value) is Array or type(value) is Map:
        return
    if isinstance(value, ExecValue | ErrorValue):
        raise type_fault(f"the fields of {named(value)} cannot be changed")
    if isinstance(value, SecretHandle):
        raise type_fault("a secret has no elements")
    raise type_fault(f"{named(value)} has no elements that can be changed")


def caught(fault: Fault, line: int) -> ErrorValue:
    """The error value of a fault that was raised at `line`."""
    return fault.error or ErrorValue(fault.kind, fault.message, fault.line or line)
