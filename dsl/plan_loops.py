"""Loops of a planned program: round by round as long as that is known, else shown once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from codeai.dsl.faults import Fault
from codeai.dsl.fragments import Task
from codeai.dsl.opcodes import FIRST
from codeai.dsl.operators import truth
from codeai.dsl.plan_blocks import Blocks
from codeai.dsl.plan_entries import Loop
from codeai.dsl.plan_outline import LoopAt
from codeai.dsl.plan_unknown import Undecided, Unknown, same, unknown
from codeai.dsl.plan_ways import Exits, LoopWays, Way
from codeai.dsl.resolve import LOOP_SLOTS
from codeai.dsl.running import UNSET


@dataclass(frozen=True, slots=True)
class _Test:
    """Whether a loop goes on (None: unknown), with the way behind the test (None: it failed there)."""

    goes_on: bool | None
    way: Way | None
    text: str = "true"


@dataclass(frozen=True, slots=True)
class _Mark:
    """How far everything was before a round, so that it can be taken back."""

    way: Way
    entries: int
    returns: int
    errors: int
    leaving: int
    counted: tuple[int, int]


class Loops(Blocks):
    """Follows loops."""

    _endless: set[int]
    """The heads of loops that were taken back once: the next time that is not tried again."""

    def loop(self, way: Way, exits: Exits, loop: LoopAt) -> Task:
        """Round after round. A `while` of which nobody can say how often it goes round is taken back and shown
        once: one with an unknown condition, one that something unknown may leave, one that changes nothing.
        Whether it is such a one is asked at the first round, the second, the fourth, and so on."""
        place, doubt, line = way.place, way.doubt, self._lines[loop.head]
        parted = len(exits.returns) + len(exits.failures.errors)
        ways = LoopWays(loop.head, loop.exit, place, doubt)
        inner = replace(exits, loop=ways)
        leaving: list[Way | None] = []
        rounds = 0
        while True:
            if loop.head in self._endless:
                leaving.append((yield self._once(way, exits, loop)))
                break
            rounds += 1
            mark = None
            if not loop.counted and (rounds & (rounds - 1) == 0 or loop.test != loop.head):
                mark = self._mark(way, exits, len(leaving))
            ways.breaks, ways.agains, ways.doubt = [], [], way.doubt
            test: _Test = yield self._tested(way, inner, loop)
            if test.goes_on is None:
                start = self._taken_back(mark, exits, leaving) if mark else test.way
                leaving.append((yield self._once(start, exits, loop)) if start else None)
                break
            if not test.goes_on:
                leaving.append(test.way)
                break
            assert test.way is not None
            test.way.pc = loop.test + 1
            yield self.walk(test.way, loop.exit, inner)
            leaving += ways.breaks
            again = self.meet(ways.agains, loop.head, place, doubt, line)
            if again is None:
                break
            way = again
            if mark is not None and self._repeats(mark.way, again):
                self._endless.add(loop.head)
                way = self._taken_back(mark, exits, leaving)
        made = self.meet(leaving, loop.exit, place, doubt, line)
        if made is not None and parted == len(exits.returns) + len(exits.failures.errors):
            made.doubt = doubt
        return made

    def _mark(self, way: Way, exits: Exits, leaving: int) -> _Mark:
        entries, returns, errors = len(way.place.entries), len(exits.returns), len(exits.failures.errors)
        return _Mark(self.fork(way), entries, returns, errors, leaving, (self._entries, self._text))

    def _taken_back(self, mark: _Mark, exits: Exits, leaving: list[Way | None]) -> Way:
        del mark.way.place.entries[mark.entries :]
        del exits.returns[mark.returns :]
        del exits.failures.errors[mark.errors :]
        del leaving[mark.leaving :]
        self._entries, self._text = mark.counted
        return self.enter(mark.way)

    def _repeats(self, before: Way, now: Way) -> bool:
        """Whether something unknown may have ended the loop since, or nothing at all has changed."""
        if now.doubt > before.doubt:
            return True
        self._running.spent += len(now.slots) >> 4
        _, middle, _ = self._program.extent(now.pc)
        return all(map(same, before.slots[FIRST:middle], now.slots[FIRST:middle]))

    def _tested(self, way: Way, exits: Exits, loop: LoopAt) -> Task:
        if loop.test != loop.head:
            way.pc = loop.head + 1
            found: Way | None = yield self.walk(way, loop.test, exits)
            if found is None:
                return _Test(False, None)
            way = found
        try:
            if loop.counted:
                return self._next(way, exits, loop)
            (value,) = self.values(way, exits)
            return _Test(truth(value), way)
        except Undecided as undecided:
            return _Test(None, way, undecided.value.condition)
        except Fault as fault:
            self.failed(way, exits, fault)
            return _Test(False, None)

    def _next(self, way: Way, exits: Exits, loop: LoopAt) -> _Test:
        marker = way.slots[self._code[loop.head][1]]
        self.values(way, exits)
        if type(marker) is Unknown:
            return _Test(None, way, marker.text)
        goes_on = self.step(way, []) != self._program.target(loop.exit)
        if not goes_on:
            way.pc = loop.exit
        return _Test(goes_on, way)

    def _once(self, way: Way, exits: Exits, loop: LoopAt) -> Task:
        """A round that stands for any: what a round changes is unknown in it."""
        place, doubt, line = way.place, way.doubt, self._lines[loop.head]
        for slot in self._outline.changed(loop):
            if way.slots[slot] is not UNSET:
                name = self._outline.name(slot, loop.head)
                way.slots[slot] = unknown(name)
        entry = Loop(line, "")
        self.add(place, entry)
        ways = LoopWays(loop.head, loop.exit, self.within(place, entry.entries), doubt + 1)
        inner = replace(exits, loop=ways)
        way.pc, way.place = loop.head, ways.place
        test: _Test = yield self._tested(self.enter(way), inner, loop)
        entry.endless = test.goes_on is True
        entry.head = f"while {test.text}"
        out: Way | None = None
        if test.way is not None:
            way = test.way
            if loop.counted:
                entry.head = self._item(way, loop, test.text)
            if test.goes_on is not True:
                out = self.fork(way)
                way.doubt += 1
            self.count(len(entry.head))
            if test.goes_on is not False:
                way.pc = loop.test + 1
                yield self.walk(way, loop.exit, inner)
        if out is not None and loop.counted:
            first = self._code[loop.head][1]
            out.slots[first : first + LOOP_SLOTS] = [UNSET] * LOOP_SLOTS
        return self.meet((out, *ways.breaks), loop.exit, place, doubt, line)

    def _item(self, way: Way, loop: LoopAt, over: str) -> str:
        """Gives the names of a loop unknown values; says what it walks."""
        name, *operands = self._code[loop.head]
        slots: list[int] = operands[2] if name == "next" else [operands[1]]
        names = [self._outline.name(slot, loop.head + 1) for slot in slots]
        for slot, one in zip(slots, names, strict=True):
            way.slots[slot] = unknown(one)
        return f"for {', '.join(names)} in {over}"
