"""The shape of a compiled program: where arms meet again, where loops and tries begin and end."""

from __future__ import annotations

from dataclasses import dataclass

from codeai.dsl.compile import NO_HANDLER
from codeai.dsl.opcodes import FIRST, OPCODES
from codeai.dsl.program import Code

_HEADS = {"while": 2, "next": 4, "step": 3}
"""Where the instruction of a loop's head has the loop's end."""


@dataclass(frozen=True, slots=True)
class LoopAt:
    """A loop: its head, the instruction that decides whether it goes on, and the first behind it. A `counted`
    one walks values."""

    head: int
    test: int
    exit: int
    counted: bool


@dataclass(frozen=True, slots=True)
class TryAt:
    """A `try`: its first instruction, the jump behind its last, its handler with the slot of the error, and where
    both ways meet again."""

    first: int
    end: int
    handler: int
    slot: int
    over: int


class Outline:
    """`loops` by their heads; `tries` by their first instructions, outer ones first; `ends` are the returns at the
    end of the program, of functions and of fibres, which nobody wrote."""

    def __init__(self, code: Code) -> None:
        self._code = code
        self.loops: dict[int, LoopAt] = {}
        self.tries: dict[int, list[TryAt]] = {}
        self._around: list[int] = []
        backs = {
            to: pc for pc, (name, *rest) in enumerate(code.code) if name == "jump" and (to := rest[0]) < pc
        }
        for pc, (name, *_) in enumerate(code.code):
            if name in _HEADS:
                self.loops[pc] = LoopAt(pc, pc, code.code[pc][_HEADS[name]], name != "while")
            elif name == "loop":
                exit = backs[pc] + 1
                test = next(at for at in range(pc, exit) if code.code[at][::2] == ["branch", exit])
                self.loops[pc] = LoopAt(pc, test, exit, False)
        for first, end, handler, slot in code.tries:
            if handler != NO_HANDLER:
                one = TryAt(first, end, handler, slot, code.code[end][1])
                self.tries.setdefault(first, []).append(one)
        entries = [*(unit.entry for unit in code.units[1:]), len(code.code)]
        fibres = [instruction[4] for instruction in code.code if instruction[0] == "parallel"]
        self.ends = frozenset(after - 1 for after in (*entries, *fibres))
        self._find_exits()

    def _find_exits(self) -> None:
        """For each instruction the end of the innermost loop around it, -1 outside of loops."""
        open_loops: list[int] = []
        for pc in range(len(self._code.code)):
            while open_loops and pc >= open_loops[-1]:
                open_loops.pop()
            if pc in self.loops:
                open_loops.append(self.loops[pc].exit)
            self._around.append(open_loops[-1] if open_loops else -1)

    def join(self, branch: int) -> int:
        """Where the arms of a branch meet again: behind the jump over its `else`, else at its target. A `break` at
        the end of the first arm is a jump, too: to the end of the loop."""
        target: int = self._code.code[branch][2]
        name, *rest = self._code.code[target - 1]
        if name == "jump" and rest[0] > target and rest[0] != self._around[branch]:
            over: int = rest[0]
            return over
        return target

    def changed(self, loop: LoopAt) -> list[int]:
        """The slots of variables from before a loop that something in it gives a value."""
        alive = FIRST + self._code.heights[loop.head]
        found = {
            instruction[1 + OPCODES[instruction[0]].operands.index("slot")]
            for instruction in self._code.code[loop.head : loop.exit]
            if "slot" in OPCODES[instruction[0]].operands
        }
        return sorted(slot for slot in found if FIRST <= slot < alive)

    def name(self, slot: int, pc: int) -> str:
        """What the variable in a slot is called at an instruction."""
        for place, name, first, end in self._code.names:
            if place == slot and (first <= pc < end or first == pc):
                return str(name)
        return "a value"
