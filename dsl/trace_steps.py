"""A program whose statements are watched: each closure that a trace tells of is wrapped by one that notes it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from codeai.dsl.bind import Bound
from codeai.dsl.binding import Step
from codeai.dsl.brief import brief
from codeai.dsl.compile import NO_HANDLER
from codeai.dsl.opcodes import FIRST, NOWHERE
from codeai.dsl.program import Code
from codeai.dsl.running import STOP, UNSET, Slots
from codeai.dsl.trace_entries import Change, Entry, Recorder


@dataclass(frozen=True, slots=True)
class Variable:
    """Who is given a value by a statement. `is_new`: it was not in scope before."""

    slot: int
    name: str
    is_new: bool

    def before(self, slots: Slots) -> Any:
        return UNSET if self.is_new else image(slots, self.slot)


class Names:
    """Which variable a statement gives a value to."""

    def __init__(self, code: Code) -> None:
        self._firsts: dict[int, list[int]] = {}
        self._found: dict[int, list[tuple[str, int]]] = {}
        for slot, name, first, end in code.names:
            self._firsts.setdefault(slot, []).append(first)
            self._found.setdefault(slot, []).append((name, end))

    def given(self, slot: int, pc: int, after: int | None = None) -> Variable | None:
        """The variable in `slot` that the instruction at `pc` gives a value, by its name at `after` (the next
        instruction); None where it is a temporary."""
        at = pc + 1 if after is None else after
        firsts = self._firsts.get(slot, ())
        place = bisect_right(firsts, at) - 1
        if place < 0:
            return None
        name, end = self._found[slot][place]
        return Variable(slot, name, firsts[place] > pc) if at <= end else None


class Watched(Bound):
    """A program ready to run that tells a recorder what it does."""

    def __init__(self, code: Code, recorder: Recorder) -> None:
        super().__init__(code)
        self.recorder = recorder
        self.names = Names(code)
        self.catches: dict[int, list[tuple[int, int]]] = {}
        """By where one goes on in a handler: the handler, and the slot of the error."""
        for _, _, handler, slot in code.tries:
            if handler != NO_HANDLER:
                self.catches.setdefault(self.target(handler), []).append((handler, slot))
        for pc, (kind, *operands) in enumerate(code.code):
            watch = _WATCHES.get(kind)
            if watch is not None:
                self.steps[pc] = watch(self, pc, *operands)


def image(slots: Slots, slot: int) -> Any:
    """What a place holds, as it is now: an array may be changed in its place later."""
    return UNSET if slots[slot] is UNSET else brief(slots[slot])


def _noted(program: Watched, pc: int, kind: str, given: list[Variable], here: int = STOP) -> Step:
    """Notes a statement that changes variables of its own frame. `here` is where it goes where it is taken."""
    recorder, run, line = program.recorder, program.steps[pc], program.code.lines[pc]

    def noted(slots: Slots) -> int:
        if recorder.count < recorder.quiet:
            after = run(slots)
            if after != STOP:  # else the slice is over, and it has not run
                recorder.count += 1
            return after
        before = [one.before(slots) for one in given]
        after = run(slots)
        if after != STOP and (index := recorder.begin()):
            taken = None if here == STOP else after == here
            changed = tuple(
                Change(one.name, old, image(slots, one.slot))
                for one, old in zip(given, before, strict=True)
                if taken is not False
            )
            entry = Entry(index, kind, recorder.fibre.number, line, taken=taken, changed=changed)
            recorder.keep(entry, slots, after)
        return after

    return noted


def _assign(program: Watched, pc: int, slot: int, *_: Any) -> Step:
    given = program.names.given(slot, pc)
    return program.steps[pc] if given is None else _noted(program, pc, "assign", [given])


def _secret(program: Watched, pc: int, effect: str, _: Any, slot: int) -> Step:
    return _assign(program, pc, slot) if effect == "secret" else program.steps[pc]


def _evaluate(program: Watched, pc: int, *_: Any) -> Step:
    return _noted(program, pc, "evaluate", [])


def _branch(program: Watched, pc: int, words: list[Any], target: int) -> Step:
    _, temporaries, _ = program.extent(pc)
    if words[0] == "v" and words[1] >= temporaries:
        return program.steps[pc]  # inside of an `and` or `or`
    here = program.target(pc + 1)
    return _noted(program, pc, "branch", [], STOP if here == program.target(target) else here)


def _next(program: Watched, pc: int, _first: int, _source: int, names: list[int], _target: int) -> Step:
    return _loop(program, pc, names)


def _step(program: Watched, pc: int, _first: int, name: int, _target: int) -> Step:
    return _loop(program, pc, [name])


def _loop(program: Watched, pc: int, slots: list[int]) -> Step:
    given = [one for slot in slots if (one := program.names.given(slot, pc)) is not None]
    return _noted(program, pc, "loop", given, program.target(pc + 1))


def _call(program: Watched, pc: int, unit: int, *_: Any) -> Step:
    recorder, run, line = program.recorder, program.steps[pc], program.code.lines[pc]
    called = program.code.units[unit]
    entry_pc = program.target(called.entry)
    slots_given = range(FIRST, FIRST + called.parameters)
    given = [one for slot in slots_given if (one := program.names.given(slot, pc, called.entry)) is not None]

    def call(slots: Slots) -> int:
        after = run(slots)
        if index := recorder.begin():
            frame = slots[0].slots
            changed = tuple(Change(one.name, UNSET, image(frame, one.slot)) for one in given)
            entry = Entry(index, "call", recorder.fibre.number, line, name=called.name, changed=changed)
            recorder.keep(entry, slots, ~entry_pc)
        return after

    return call


def _return(program: Watched, pc: int, *_: Any) -> Step:
    recorder, run, line, links = program.recorder, program.steps[pc], program.code.lines[pc], program.links
    function = program.code.units[program.unit_at(pc)].name or None

    def end(slots: Slots) -> int:
        """The program or a fibre ends."""
        after = run(slots)
        if index := recorder.begin():
            value = brief(slots[0].value)
            recorder.keep(Entry(index, "return", recorder.fibre.number, line, value=value))
        return after

    def back(slots: Slots) -> int:
        stack = slots[0].stack
        if not stack:
            return end(slots)
        if recorder.count < recorder.quiet:
            after = run(slots)
            recorder.count += 1
            return after
        frame, call, _ = stack[-1]
        _, slot, _ = links[call]
        given = program.names.given(slot, call)
        before = UNSET if given is None else given.before(frame)
        after = run(slots)
        if index := recorder.begin():
            value = UNSET if slot == NOWHERE else brief(frame[slot])
            changed = () if given is None else (Change(given.name, before, value),)
            number = recorder.fibre.number
            entry = Entry(index, "return", number, line, name=function, value=value, changed=changed)
            recorder.keep(entry, slots, after)
        return after

    return back


_WATCHES: dict[str, Callable[..., Step]] = {
    "set": _assign,
    "change": _assign,
    "add": _assign,
    "push": _assign,
    "put": _assign,
    "drop": _evaluate,
    "branch": _branch,
    "while": _branch,
    "next": _next,
    "step": _step,
    "call": _call,
    "return": _return,
    "effect": _secret,
}
