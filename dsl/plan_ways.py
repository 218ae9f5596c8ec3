"""The ways that a plan follows at the same time: where each is, and what is known where two meet again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from codeai.dsl.faults import NOT_CAUGHT
from codeai.dsl.opcodes import FIRST
from codeai.dsl.plan_entries import Choice, Entry
from codeai.dsl.plan_outline import Outline
from codeai.dsl.plan_unknown import Guess, effort, same, unknown
from codeai.dsl.running import LIGHT, UNSET, Running, Slots
from codeai.dsl.values import Array, ErrorValue, Map


@dataclass(slots=True)
class Place:
    """Where a way's entries go, and in how many entries these stand; `choice`: they are its last arm."""

    entries: list[Entry]
    depth: int = 0
    choice: Choice | None = None


@dataclass(slots=True)
class Way:
    """One way that a run may go: its frame, its next instruction, where its entries go. `doubt` counts the
    conditions that decided, unknown to us, that a run comes here at all."""

    slots: Slots
    pc: int
    place: Place
    doubt: int = 0


@dataclass(slots=True)
class Failures:
    """How the ways of one region fail. `errors` are certain (None: with an unknown message); `possible` says that
    more may go wrong. `way` is what is known then, where somebody `catches`."""

    catches: bool = False
    outer: Failures | None = None
    errors: list[ErrorValue | None] = field(default_factory=list)
    possible: bool = False
    way: Way | None = None

    @property
    def some(self) -> bool:
        return self.possible or bool(self.errors)

    @property
    def only_error(self) -> ErrorValue | None:
        """The error, where only one can happen and it is known."""
        return self.errors[0] if len(self.errors) == 1 and not self.possible else None


@dataclass(slots=True)
class LoopWays:
    """The ways that leave a loop or begin its next round. `place` is where its entries go, `doubt` that of the way
    that goes round."""

    head: int
    exit: int
    place: Place
    doubt: int
    breaks: list[Way] = field(default_factory=list)
    agains: list[Way] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Exits:
    """Where ways go that leave a region before its end. `place` is where the entries of the program, function or
    fibre go, `doubt` that of its beginning."""

    failures: Failures
    place: Place
    doubt: int = 0
    is_program: bool = False
    returns: list[tuple[Guess, Way]] = field(default_factory=list)
    loop: LoopWays | None = None

    @property
    def used(self) -> int:
        """How many ways have left so far, but for those that failed."""
        in_loop = len(self.loop.breaks) + len(self.loop.agains) if self.loop else 0
        return len(self.returns) + in_loop


class Ways:
    """Forks ways, and joins them."""

    def __init__(self, running: Running, outline: Outline, lines: list[int]) -> None:
        self._running = running
        self._outline = outline
        self._lines = lines
        self._followed: Way | None = None

    def fork(self, way: Way, place: Place | None = None) -> Way:
        """A second way from here. What both hold is copied by whoever changes it."""
        slots = way.slots.copy()
        if slots[1] is way.slots:
            slots[1] = slots
        running = self._running
        _, _, constants = running.program.extent(way.pc)
        running.spent += (constants >> 4) + (len(slots) >> 8)
        for value in slots[FIRST:constants]:
            if type(value) not in LIGHT:
                running.spent += effort(value)
                if type(value) is Array or type(value) is Map:
                    value.shared = True
        return Way(slots, way.pc, place or way.place, way.doubt)

    def enter(self, way: Way) -> Way:
        """This is the way that is followed from now on: its sizes are counted."""
        if self._followed is not way:
            running, self._followed = self._running, way
            running.held = running.settle(running.stack, way.slots, way.pc, 0)
        return way

    def meet(self, ways: Iterable[Way | None], pc: int, place: Place, doubt: int, line: int) -> Way | None:
        """One way for those that come to `pc`; None where none does. They had `doubt` before they parted."""
        made: Way | None = None
        for way in ways:
            if way is None:
                continue
            if made is None:
                made = way
            else:
                self._join(made, way, pc, line)
                self._followed = None
                lesser = min(made.doubt, way.doubt)
                made.doubt = doubt if made.doubt == way.doubt == doubt + 1 else lesser
        if made is not None:
            made.pc, made.place = pc, place
            self.enter(made)
        return made

    def _join(self, into: Way, other: Way, pc: int, line: int) -> None:
        """Keeps what both have; what differs is unknown."""
        _, _, end = self._running.program.extent(pc)
        slots = into.slots
        self._running.spent += end >> 4
        for slot in range(FIRST, end):
            one, two = slots[slot], other.slots[slot]
            if one is two:
                continue
            if one is UNSET or two is UNSET:
                slots[slot] = UNSET
                continue
            self._running.spent += effort(one)
            if not same(one, two):
                slots[slot] = unknown(f"{self._outline.name(slot, pc)} after line {line}")

    def one_of(self, values: Iterable[Guess], what: str) -> Guess:
        """The value that all of them are, else an unknown."""
        made, *others = values
        return made if all(same(made, other) for other in others) else unknown(what)

    # Failing

    def may_fail(self, failures: Failures, way: Way) -> None:
        """Here something may go wrong."""
        failures.possible = True
        self._caught(failures, way)

    def fails(self, failures: Failures, way: Way, error: ErrorValue | None) -> None:
        """Here a way ends with an error."""
        if error is not None and error.kind in NOT_CAUGHT and failures.outer is not None:
            self.fails(failures.outer, way, error)
            return
        failures.errors.append(error)
        self._caught(failures, way)

    def _caught(self, failures: Failures, way: Way) -> None:
        if not failures.catches:
            return
        if failures.way is None:
            failures.way = self.fork(way)
        else:
            doubt = min(failures.way.doubt, way.doubt)
            self._join(failures.way, way, way.pc, self._lines[way.pc])
            failures.way.doubt = doubt
