"""The instructions of a planned program that go on with the next one: done as in a run, or unknown in their result."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from codeai.dsl import operators
from codeai.dsl.plan_bind import Planned
from codeai.dsl.plan_entries import Entry, Leave, Shown
from codeai.dsl.plan_outline import Outline
from codeai.dsl.plan_unknown import Unknown, operand, unknown
from codeai.dsl.plan_ways import Exits, LoopWays, Place, Way, Ways
from codeai.dsl.running import Running

MOST_ENTRIES = 10_000
MOST_TEXT = 1024 * 1024
"""Characters of a plan's shell texts and values."""
MOST_INSTRUCTIONS = 1_000_000
MOST_DEPTH = 100


class Cut(Exception):
    """The plan is long enough; the message says why it ends here."""


class Steps(Ways):
    """`entries` and `text` count what the plan has; `calls` are the lines of the calls that are open."""

    def __init__(self, program: Planned) -> None:
        running = Running(program)
        running.stop = sys.maxsize
        super().__init__(running, Outline(program.code), program.code.lines)
        self._program = program
        self._code = program.code.code
        self._calls: list[int] = []
        self._entries = self._text = 0

    # Entries

    def add(self, place: Place, entry: Entry, text: int = 0) -> None:
        """Puts an entry with so many characters into the plan.

        Raises:
            Cut: there are too many.
        """
        self.count(text)
        place.entries.append(entry)

    def count(self, text: int = 0) -> None:
        """Something with so many characters goes into the plan.

        Raises:
            Cut: there is too much.
        """
        self._entries += 1
        self._text += text
        if self._entries > MOST_ENTRIES:
            raise Cut(f"it has more than {MOST_ENTRIES:,} entries")
        if self._text > MOST_TEXT:
            raise Cut(f"it has more than {MOST_TEXT:,} characters")

    def within(self, place: Place, entries: list[Entry]) -> Place:
        """Where the entries go that stand in one of a place.

        Raises:
            Cut: it is too deep.
        """
        if place.depth >= MOST_DEPTH:
            raise Cut(f"it is nested deeper than {MOST_DEPTH} levels")
        return Place(entries, place.depth + 1)

    def leave(self, way: Way, usual: Exits | LoopWays, word: str, value: Shown | None = None) -> None:
        """An entry for a way that leaves something, where not every way does."""
        if way.place.entries is not usual.place.entries or way.doubt > usual.doubt:
            self.add(way.place, Leave(self._lines[way.pc], word, value))

    # One instruction

    def values(self, way: Way, exits: Exits) -> list[Any]:
        """The values of an instruction's expressions.

        Raises:
            Fault: one of them certainly fails.
            Cut: the plan has computed enough.
        """
        running, program, pc = self._running, self._program, way.pc
        running.spent += program.costs[pc]
        if running.spent > MOST_INSTRUCTIONS:
            raise Cut(f"it took more than {MOST_INSTRUCTIONS:,} instructions")
        found = [run(way.slots) for run in program.runs[pc]]
        self.look(way, exits)
        return found

    def look(self, way: Way, exits: Exits) -> None:
        """Notes whether what was just computed may also fail."""
        if self._program.guessed:
            self._program.guessed = False
            self.may_fail(exits.failures, way)

    def step(self, way: Way, values: list[Any]) -> int:
        """Lets an instruction do its work with these values; its answer.

        Raises:
            Fault: it fails.
        """
        self._program.given[:] = values
        return self._program.steps[way.pc](way.slots)

    def store(self, way: Way, slot: int, value: Any) -> None:
        """Puts a value where a variable is.

        Raises:
            Fault: it is too large.
        """
        self._running.store(way.slots, slot, value, way.pc, True)

    def _guess(self, way: Way, exits: Exits, what: str) -> Unknown:
        self.may_fail(exits.failures, way)
        return unknown(what)

    def simple(self, way: Way, exits: Exits, name: str, values: list[Any], operands: list[Any]) -> Way:
        """An instruction that goes on with the next."""
        rule = _RULES.get(name)
        if rule is None or not rule(self, way, exits, values, operands):
            self.step(way, values)
        way.pc += 1
        return way

    # Each rule answers whether it did the instruction's work, because something in it is unknown

    def _change(self, way: Way, exits: Exits, values: list[Any], operands: list[Any]) -> bool:
        slot, sign = operands[:2]
        found = self._program.combined(sign, way.slots[slot], values[0])
        if found is None:
            return False
        self.look(way, exits)
        self.store(way, slot, found)
        return True

    def _add(self, way: Way, exits: Exits, values: list[Any], operands: list[Any]) -> bool:
        return self._change(way, exits, values, [operands[0], "+"])

    def _push(self, way: Way, exits: Exits, _: list[Any], operands: list[Any]) -> bool:
        old = way.slots[operands[0]]
        if type(old) is not Unknown:
            return False
        self.store(way, operands[0], self._guess(way, exits, f"append({operand(old)}, …)"))
        return True

    def _put(self, way: Way, exits: Exits, values: list[Any], operands: list[Any]) -> bool:
        slot, _, sign, _ = operands
        *keys, value = values
        inner: Any = way.slots[slot]
        for key in keys[:-1]:
            if type(inner) is Unknown or type(key) is Unknown:
                break
            inner = operators.index(inner, key)
        if type(inner) is Unknown:
            self.may_fail(exits.failures, way)  # what is unknown stays so
            return True
        if any(type(key) is Unknown for key in keys):
            name = self._outline.name(slot, way.pc)
            self.store(way, slot, self._guess(way, exits, f"{name} after line {self._lines[way.pc]}"))
            return True
        if not sign:
            return False
        found: Any = self._program.combined(sign, operators.index(inner, keys[-1]), value)
        if found is None:
            return False
        self.look(way, exits)
        self._running.put(way.slots, slot, keys, "", found, way.pc)
        return True

    def _walks(self, way: Way, exits: Exits, values: list[Any], operands: list[Any]) -> bool:
        """A loop over something unknown: its head finds that in place of a number."""
        if type(values[0]) is not Unknown:
            return False
        way.slots[operands[0]] = values[0]
        self.may_fail(exits.failures, way)
        return True

    def _walks_variable(self, way: Way, exits: Exits, _: list[Any], operands: list[Any]) -> bool:
        first, source, _name = operands
        value = way.slots[source] if source >= 0 else way.slots[1][~source]
        return self._walks(way, exits, [value], [first])

    def _counts(self, way: Way, exits: Exits, values: list[Any], operands: list[Any]) -> bool:
        if not any(type(value) is Unknown for value in values):
            return False
        return self._walks(way, exits, [unknown(f"range({', '.join(map(operand, values))})")], operands)


_RULES: dict[str, Callable[[Steps, Way, Exits, list[Any], list[Any]], bool]] = {
    "change": Steps._change,
    "add": Steps._add,
    "push": Steps._push,
    "put": Steps._put,
    "for": Steps._walks,
    "count": Steps._counts,
    "over": Steps._walks_variable,
}
