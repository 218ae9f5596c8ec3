"""Follows a planned program from its start: known instructions as in a run, both ways where a run decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from codeai.dsl.faults import Fault
from codeai.dsl.fragments import Task
from codeai.dsl.opcodes import FIRST, OPCODES
from codeai.dsl.plan_bind import Planned
from codeai.dsl.plan_effects import NEVER_FAIL, foreseen, shown
from codeai.dsl.plan_entries import Failure, Leave
from codeai.dsl.plan_loops import Loops
from codeai.dsl.plan_unknown import Unknown, in_text, is_unknown, unknown
from codeai.dsl.plan_ways import Exits, Place, Way
from codeai.dsl.running import UNSET
from codeai.dsl.values import SecretHandle, from_plain


class Walk(Loops):
    """One walk through a program; `secrets` has the lines in which each secret is named."""

    def __init__(self, program: Planned) -> None:
        super().__init__(program)
        self._open, self._endless = [], set()
        self.secrets: dict[str, list[int]] = {}

    def start(self, inputs: Mapping[str, Any]) -> Way:
        """The way from the program's beginning; required inputs may be missing."""
        slots = self._program.frame(0, self._running, None)
        for slot, param in enumerate(self._program.code.params, FIRST):
            if param.name in inputs:
                slots[slot] = from_plain(inputs[param.name])
            elif param.required:
                slots[slot] = unknown(f"input {param.name}")
        return self.enter(Way(slots, 0, Place([])))

    def walk(self, way: Way, end: int, exits: Exits, entered: int = 0) -> Task:
        """Follows a way up to the instruction `end`; None where it leaves before. `entered` tries begin at its first
        instruction and are left out."""
        code, loops, tries = self._code, self._outline.loops, self._outline.tries
        found: Way | Task | None
        while way.pc != end:
            pc = way.pc
            if pc in tries and len(tries[pc]) > entered:
                found = self.attempt(way, exits, tries[pc][entered], entered + 1)
            elif pc in loops:
                found = self.loop(way, exits, loops[pc])
            else:
                name, *operands = code[pc]
                try:
                    values = self.values(way, exits)
                    if OPCODES[name].simple and name != "jump":
                        found = self.simple(way, exits, name, values, operands)
                    else:
                        found = _RULES[name](self, way, exits, values, operands)
                except Fault as fault:
                    self.failed(way, exits, fault)
                    return None
            entered = 0
            if found is None or isinstance(found, Way):
                after = found
            else:
                after = yield found
            if after is None:
                return None
            way = after
        return way

    # Where a way goes on

    def _given(self, way: Way, _: Exits, __: list[Any], operands: list[Any]) -> Way:
        slot, target = operands
        way.pc = way.pc + 1 if way.slots[slot] is UNSET else target
        return way

    def _jump(self, way: Way, exits: Exits, _: list[Any], operands: list[Any]) -> Way | None:
        (target,) = operands
        loop = exits.loop
        if loop is not None and target == loop.exit:
            self.leave(way, loop, "break")
            loop.breaks.append(way)
            return None
        if loop is not None and target == loop.head:
            if way.pc != loop.exit - 1:
                self.leave(way, loop, "continue")
            loop.agains.append(way)
            return None
        way.pc = target
        return way

    def _return(self, way: Way, exits: Exits, values: list[Any], _: list[Any]) -> None:
        (value,) = values
        if way.pc in self._outline.ends:
            pass
        elif exits.is_program:
            self.add(way.place, Leave(self._lines[way.pc], "return", shown(value)))
        else:
            self.leave(way, exits, "return", shown(value))
        exits.returns.append((value, way))

    # Effects

    def _fail(self, way: Way, exits: Exits, values: list[Any], _: list[Any]) -> None:
        (value,) = values
        if not is_unknown(value):
            self.step(way, values)  # raises
        kind = None if type(value) is Unknown and value.type == "error" else "failed"
        text = in_text(value)
        self.add(way.place, Failure(self._lines[way.pc], kind, text), len(text))
        self.fails(exits.failures, way, None)

    def _effect(self, way: Way, exits: Exits, values: list[Any], operands: list[Any]) -> Way | None:
        name, slot = operands[0], operands[-1]
        if name == "secret":
            return self._secret(way, values, slot)
        self.step(way, values)
        given = self._running.given
        found = foreseen(self._program.code, way.pc, way.slots, given, tuple(self._calls))
        if found.entry is not None:
            self.add(way.place, found.entry, found.size)
        if found.fault is not None:
            raise found.fault
        if name not in NEVER_FAIL:
            self.may_fail(exits.failures, way)
        return self.given(way, slot, found.result)

    def _exec(self, way: Way, exits: Exits, values: list[Any], operands: list[Any]) -> Way | None:
        return self._effect(way, exits, values, ["exec", operands[-1]])

    def _secret(self, way: Way, values: list[Any], slot: int) -> Way:
        (name,) = values
        self.secrets.setdefault(in_text(name), []).append(self._lines[way.pc])
        if type(name) is Unknown:
            return self.given(way, slot, SecretHandle((("secret", name.text),)))
        self.step(way, values)
        way.pc += 1
        return way


_RULES: dict[str, Callable[[Walk, Way, Exits, list[Any], list[Any]], Way | Task | None]] = {
    "given": Walk._given,
    "jump": Walk._jump,
    "branch": Walk.choose,
    "call": Walk.call,
    "return": Walk._return,
    "fail": Walk._fail,
    "effect": Walk._effect,
    "exec": Walk._exec,
    "parallel": Walk.parallel,
}
