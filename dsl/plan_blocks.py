"""The blocks of a planned program: both arms of a condition that is unknown, tries, calls, fibres."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from codeai.dsl.effects import PARALLEL_OPTIONS
from codeai.dsl.faults import Fault
from codeai.dsl.fibres import Fibre as RunFibre
from codeai.dsl.fibres import Group
from codeai.dsl.fragments import Task
from codeai.dsl.opcodes import NOWHERE
from codeai.dsl.operators import truth
from codeai.dsl.plan_effects import shown
from codeai.dsl.plan_entries import Again, Arm, Choice, Failure, Fibre, Parallel, Try
from codeai.dsl.plan_outline import TryAt
from codeai.dsl.plan_steps import Steps
from codeai.dsl.plan_unknown import Undecided, Unknown, is_unknown, unknown
from codeai.dsl.plan_ways import Exits, Failures, Place, Way
from codeai.dsl.requests import parallel_items, parallel_options
from codeai.dsl.running import UNSET, caught
from codeai.dsl.values import Array, ErrorValue, Map, array
from codeai.dsl.waiting import collected


class Blocks(Steps):
    """What has instructions in it. Each rule answers the way that goes on (None: none does), or a task for it."""

    _open: list[tuple[int, int]]
    """The functions that are being called, each with the doubt of its call."""

    def walk(self, way: Way, end: int, exits: Exits, entered: int = 0) -> Task:
        """Follows a way up to the instruction `end`, or until it leaves: see `plan_walk.py`."""
        raise NotImplementedError

    def failed(self, way: Way, exits: Exits, fault: Fault) -> None:
        """A way ends with an error, and says so."""
        self._program.guessed = False
        error = caught(fault, self._lines[way.pc])
        self.add(way.place, Failure(error.line or 0, error.kind, error.message), len(error.message))
        self.fails(exits.failures, way, error)

    # A condition

    def choose(self, way: Way, exits: Exits, values: list[Any], operands: list[Any]) -> Way | Task:
        try:
            way.pc = way.pc + 1 if truth(values[0]) else operands[1]
        except Undecided as undecided:
            return self._both(way, exits, undecided.value, operands[1])
        return way

    def _both(self, way: Way, exits: Exits, condition: Unknown, target: int) -> Task:
        branch, place, doubt = way.pc, way.place, way.doubt
        join, line = self._outline.join(branch), self._lines[branch]
        way.doubt += 1
        other = self.fork(way)
        way.place, other.place = self._arms(place, line, join, condition)
        way.pc, other.pc = branch + 1, target
        then = yield self.walk(way, join, exits)
        orelse = yield self.walk(self.enter(other), join, exits)
        return self.meet((then, orelse), join, place, doubt, line)

    def _arms(self, place: Place, line: int, join: int, condition: Unknown) -> tuple[Place, Place]:
        """Where the entries of both arms go; those of an `else if` belong to the `if` before it."""
        choice = place.choice
        if choice is None or choice.join != join or place.entries:
            choice = Choice(line, join, [Arm(None)])
            self.add(place, choice)
            place = self.within(place, choice.arms[0].entries)
        choice.arms[-1].when = condition.condition
        choice.arms.append(Arm(None))
        self.count(len(condition.condition))
        return Place(choice.arms[-2].entries, place.depth), Place(
            choice.arms[-1].entries, place.depth, choice
        )

    # try

    def attempt(self, way: Way, exits: Exits, one: TryAt, entered: int) -> Task:
        place, doubt, line = way.place, way.doubt, self._lines[way.pc]
        entry = Try(line, self._outline.name(one.slot, one.handler))
        self.add(place, entry)
        failures, used = Failures(catches=True, outer=exits.failures), exits.used
        way.place = self.within(place, entry.entries)
        after: Way | None = yield self.walk(way, one.end, replace(exits, failures=failures), entered)
        handled = failures.way
        done: Way | None = None
        if handled is None:
            place.entries[-1:] = entry.entries
        else:
            error = failures.only_error
            entry.certain = after is None and exits.used == used
            if entry.certain and error is not None:
                entry.failure = f"{error.kind}: {error.message}"
            handled.doubt += not entry.certain
            handled.pc, handled.place = one.handler, self.within(place, entry.handler)
            _, _, end = self._program.extent(one.handler)
            handled.slots[one.slot : end] = [UNSET] * (end - one.slot)
            self.enter(handled)
            self.store(
                handled, one.slot, error if entry.failure else unknown(f"error of line {line}", "error")
            )
            done = yield self.walk(handled, one.over, exits)
        made = self.meet((after, done), one.over, place, doubt, line)
        if made is not None and after is not None:
            made.doubt = min(made.doubt, after.doubt)
        return made

    # Functions

    def call(self, way: Way, exits: Exits, values: list[Any], operands: list[Any]) -> Way | Task:
        unit, _, slot = operands
        name, line = self._program.code.units[unit].name, self._lines[way.pc]
        if any(open_unit == unit and way.doubt > doubt for open_unit, doubt in self._open):
            self.add(way.place, Again(line, name))
            self.may_fail(exits.failures, way)
            return self.given(way, slot, unknown(f"{name}() of line {line}"))
        depth = len(self._running.stack)
        try:
            self.step(way, values)
        except Fault:
            del self._running.stack[depth:]
            raise
        return self._called(way, exits, unit, slot)

    def _called(self, way: Way, exits: Exits, unit: int, slot: int) -> Task:
        running, line = self._running, self._lines[way.pc]
        inner = Exits(Failures(), way.place, way.doubt)
        callee = Way(running.slots, self._program.code.units[unit].entry, way.place, way.doubt)
        self._open.append((unit, way.doubt))
        self._calls.append(line)
        yield self.walk(callee, -1, inner)
        self._calls.pop()
        self._open.pop()
        _, _, running.held = running.stack.pop()
        if not inner.returns:
            return self._none_returned(way, exits, inner.failures)
        if inner.failures.some:
            self.may_fail(exits.failures, way)
            way.doubt += bool(inner.failures.errors)
        name = self._program.code.units[unit].name
        value = self.one_of([value for value, _ in inner.returns], f"{name}() of line {line}")
        return self.taken(way, exits, slot, value)

    def _none_returned(self, way: Way, exits: Exits, failures: Failures) -> None:
        if failures.errors:
            self.fails(exits.failures, way, failures.only_error)

    def given(self, way: Way, slot: int, value: Any) -> Way:
        """The way goes on with the result of its instruction.

        Raises:
            Fault: the value is too large.
        """
        if slot != NOWHERE:
            self.store(way, slot, value)
        way.pc += 1
        return way

    def taken(self, way: Way, exits: Exits, slot: int, value: Any) -> Way | None:
        """As `given`, but a value that is too large ends the way."""
        try:
            return self.given(way, slot, value)
        except Fault as fault:
            self.failed(way, exits, fault)
            return None

    # Fibres

    def parallel(self, way: Way, exits: Exits, values: list[Any], operands: list[Any]) -> Task:
        self.step(way, values)
        options, items = self._running.given
        known = {name: value for name, value in options.items() if not is_unknown(value)}
        limit, collect = parallel_options(known, PARALLEL_OPTIONS)
        name = self._outline.name(operands[2], way.pc + 1)
        entry = Parallel(
            self._lines[way.pc],
            name,
            shown(options.get("limit", limit)),
            shown(options.get("on_error", "collect" if collect else "stop")),
            items.text if type(items) is Unknown else None,
        )
        self.add(way.place, entry)
        walked = array([unknown(name)]) if type(items) is Unknown else parallel_items(items)  # type: ignore[list-item]
        return self._fibres(way, exits, entry, walked, operands, collect)

    def _fibres(
        self, way: Way, exits: Exits, entry: Parallel, items: Array, operands: list[Any], collect: bool
    ) -> Task:
        _, _, slot, target, result = operands
        _, _, end = self._program.extent(way.pc)
        within = self.within(way.place, [])
        results: list[Any] = []
        failures: list[Failures] = []
        for item in items:
            entry.fibres.append(Fibre(shown(item)))
            self.count()
            fibre = self.fork(way, Place(entry.fibres[-1].entries, within.depth))
            fibre.slots[slot:end] = [UNSET] * (end - slot)
            fibre.slots[slot], fibre.pc = item, way.pc + 1
            if isinstance(item, Array | Map):
                item.shared = True
            inner = Exits(Failures(), fibre.place, fibre.doubt)
            yield self.walk(self.enter(fibre), -1, inner)
            failures.append(inner.failures)
            found = [value for value, _ in inner.returns]
            results.append(self.one_of(found, f"a result of line {entry.line}") if found else UNSET)
        self.enter(way)
        if UNSET in results:
            dead = [one for one, value in zip(failures, results, strict=True) if value is UNSET]
            if all(one.errors for one in dead):
                error = self._error_of(way, items, failures, collect)
                self.fails(exits.failures, way, error)
            return None
        if any(one.some for one in failures):
            self.may_fail(exits.failures, way)
        value = unknown(f"results of line {entry.line}") if entry.over else results
        return self._joined(way, exits, target, result, value)

    def _joined(self, way: Way, exits: Exits, target: int, slot: int, value: Any) -> Way | None:
        """The way goes on behind the fibres."""
        try:
            self.given(way, slot, array(value) if isinstance(value, list) else value)
        except Fault as fault:
            self.failed(way, exits, fault)
            return None
        way.pc = target
        return way

    def _error_of(self, way: Way, items: Array, failures: list[Failures], collect: bool) -> ErrorValue | None:
        """The error of a parallel, where it is certain which iterations fail and how."""
        errors = {at: one.only_error for at, one in enumerate(failures) if one.some}
        known = {at: error for at, error in errors.items() if error is not None}
        if len(known) < len(errors) or (not collect and len(known) > 1):
            return None
        if not collect:
            return next(iter(known.values()))
        group = Group.of(RunFibre(0, way.slots, way.pc), items, 1, True)
        group.errors.update(known)
        return collected(group, self._lines[way.pc])
