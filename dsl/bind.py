"""A program becomes runnable: closures for all its instructions, made once per process."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from codeai.dsl.binding import Binding, Step
from codeai.dsl.compile import NO_HANDLER
from codeai.dsl.expressions import Expressions, cost
from codeai.dsl.instructions import BINDERS
from codeai.dsl.opcodes import FIRST, OPCODES
from codeai.dsl.program import Code
from codeai.dsl.running import UNSET, Slots

HEADS = frozenset({"while", "loop", "next", "step"})
"""Where a slice can end; each counts itself when it is passed."""


class Bound:
    """A program ready to run; it holds nothing of any run. For each instruction `steps` has its closure,
    `enter` what going there counts, `handlers` the handler of its errors with the slot of the error (None:
    there is none in this frame). `links` says where calls and effects go on: (next, slot, count). `blanks` are
    the frames of the units before anything is in them."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.costs = [_cost(instruction) for instruction in code.code]
        self.enter = _enter(code, self.costs)
        self.steps: list[Step] = []
        self.links: dict[int, tuple[int, int, int]] = {}
        self.blanks: list[Slots] = []
        self._entries = [unit.entry for unit in code.units]
        self._extents: list[tuple[int, int, int]] = []
        for unit, end in zip(code.units, [*self._entries[1:], len(code.code)], strict=True):
            temporaries = FIRST + unit.variables
            base = temporaries + unit.temporaries
            self._extents.append((FIRST, temporaries, base))
            binding = self.binding(base)
            binding.blanks, binding.links = self.blanks, self.links
            for pc in range(unit.entry, end):
                name, *operands = code.code[pc]
                self.steps.append(BINDERS[name](binding, pc, *operands))
            self.blanks.append([UNSET] * base + binding.expressions.constants)
        self.handlers = _handlers(code)

    def binding(self, base: int) -> Binding:
        """What a unit is bound with whose frames have their constants from place `base` on."""
        return Binding(self.code, self.costs, self.enter, Expressions(base))

    def target(self, pc: int) -> int:
        """Where one comes to who goes to `pc`."""
        return self.code.target(pc)

    def unit_at(self, pc: int) -> int:
        return bisect_right(self._entries, pc) - 1

    def extent(self, pc: int) -> tuple[int, int, int]:
        """Of the frame at `pc`: the first variable, the first temporary, the first constant."""
        return self._extents[self.unit_at(pc)]

    def frame(self, unit: int, running: Any, top: Slots | None) -> Slots:
        """A new frame; `top` is the program's own (None: this is it)."""
        made = self.blanks[unit].copy()
        made[0], made[1] = running, made if top is None else top
        return made


def bind(code: Code) -> Bound:
    """Makes a program runnable."""
    return Bound(code)


def _cost(instruction: list[Any]) -> int:
    """The nodes of an instruction's expressions, at least 1; a jump is free."""
    name, *operands = instruction
    if name == "jump":
        return 0
    count = 0
    for kind, operand in zip(OPCODES[name].operands, operands, strict=True):
        if kind == "expression":
            count += cost(operand)
        elif kind in ("expressions", "keys"):
            count += sum(map(cost, operand))
        elif kind in ("arguments", "options"):
            count += sum(cost(words) for _, words in operand)
        elif kind == "undo" and operand:
            count += sum(cost(words) for _, words in operand[2])
    return max(1, count)


def _enter(code: Code, costs: list[int]) -> list[int]:
    """What is counted by going to each instruction: all up to the next that can go two ways or leave. Jumps
    back go to loop heads, which count themselves."""
    enter = [0] * (len(code.code) + 1)
    for pc in range(len(code.code) - 1, -1, -1):
        name = code.code[pc][0]
        if name in HEADS:
            continue
        if name == "jump":
            enter[pc] = enter[code.code[pc][1]]
        else:
            enter[pc] = costs[pc] + (enter[pc + 1] if OPCODES[name].simple else 0)
    return enter


def _handlers(code: Code) -> list[tuple[int, int] | None]:
    handlers: list[tuple[int, int] | None] = [None] * len(code.code)
    for start, end, handler, slot in code.tries:
        found = None if handler == NO_HANDLER else (handler, slot)
        handlers[start:end] = [found] * (end - start)
    return handlers
