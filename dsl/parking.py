"""Parked fibres: they failed at a statement, and somebody says how to go on: again, past it, with other values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from codeai.dsl import state as states
from codeai.dsl.bind import Bound
from codeai.dsl.faults import Fault, type_fault, value_fault
from codeai.dsl.fibres import Fibre, all_fibres
from codeai.dsl.limits import EFFECT_RESULT, STATE
from codeai.dsl.loops import begin_over
from codeai.dsl.opcodes import FIRST, NOWHERE
from codeai.dsl.operators import truth
from codeai.dsl.patched import Moved, Standing, moved, standing_of
from codeai.dsl.ran import to_text
from codeai.dsl.running import UNSET, Slots
from codeai.dsl.scheduling import Scheduling
from codeai.dsl.values import Array, ErrorValue, Map, Value, from_plain, size_of


@dataclass(frozen=True, slots=True)
class Parked:
    """A fibre that waits for a person: why, and which command it was (0: none)."""

    fibre: int
    error: ErrorValue
    step: int


class NotParked(ValueError):
    """Nothing waits there for what was said."""


class Parking(Scheduling):
    """What can be said to parked fibres. What is refused has changed nothing."""

    def park_at_errors(self) -> None:
        """From now on a fibre whose error nobody catches waits for what is said to it."""
        self._state.parks = True

    @property
    def parked(self) -> tuple[Parked, ...]:
        """The parked fibres, parents first."""
        return tuple(
            Parked(fibre.number, fibre.parked, fibre.failed_step)
            for fibre in all_fibres(self._state.main)
            if fibre.parked is not None and not fibre.dying
        )

    @property
    def is_parked(self) -> bool:
        """Whether nothing goes on until somebody says something to a parked fibre."""
        return not (self._pending or self._state.ready or self._state.outcome) and bool(self.parked)

    def may_ask_again(self, step: int) -> bool:
        """Whether a command has failed that a retry would ask for under its own number: its row will not keep how it
        ended now."""
        return any(fibre.failed_step == step for fibre in all_fibres(self._state.main))

    def retry(self, number: int) -> None:
        """The failed statement of a fibre again. What of it need not be done again is not: a command that failed is
        asked for under the number that it has.

        Raises:
            NotParked: the fibre is not parked.
        """
        self._again(self._parked(number))

    def skip(self, number: int, plain: Any = None) -> None:
        """A fibre goes on behind its failed statement, whose expression has that value (plain data).

        Raises:
            NotParked: the fibre is not parked.
            Fault: the statement cannot take the value.
        """
        fibre = self._parked(number)
        value = _given(plain)
        pc = self._completing(fibre.pc)
        error, frame, fibre.parked = fibre.parked, fibre.slots, None
        self._rest(fibre, fibre.slots, fibre.pc)
        self._enter(fibre)
        try:
            after = self._skipped(fibre, pc, value)
        except Fault:
            fibre.parked = error
            self._rest(fibre, fibre.slots, fibre.pc)
            raise
        fibre.failed_step = 0
        if after is not None:
            if fibre.slots is frame:  # else it goes on in the midst of a statement of who called
                self._empty(frame, after)
            self._go_on(fibre, after)

    def set(self, number: int, name: str, plain: Any) -> None:
        """Gives a variable that the failed statement of a fibre sees another value (plain data).

        Raises:
            NotParked: the fibre is not parked.
            Fault: there is no such variable there (name_error), or the value does not fit.
        """
        fibre = self._parked(number)
        value = _given(plain)
        for owner, slots, slot in self._variables(fibre, name):
            held, old = owner.held, slots[slot]
            slots[slot] = value
            self._rest(owner, owner.slots, owner.pc)
            if self._held > STATE.most and owner.held > held:
                slots[slot] = old
                self._rest(owner, owner.slots, owner.pc)
                raise value_fault(f"{name}: the run's variables would be too large")
            self._copy_down(owner, slots, slot, value)
            return
        raise Fault("name_error", f"the statement sees no variable {name}; there are: {self._seen(fibre)}")

    def standing(self) -> Standing:
        """Where the run stands in its program, for who compares it with an edited one (see `patch.py`)."""
        return standing_of(self._state.main, to_text(self._running.ran))

    def patch(self, program: Bound, to: Moved) -> None:
        """The run goes on with an edited program, parked fibres at their failed statement."""
        self._become(*states.from_plain(program, moved(states.to_plain(self._state, self._running), to)))
        for one in self.parked:
            self._again(self._parked(one.fibre))

    def give_up(self, error: ErrorValue) -> None:
        """Ends the run with this error: its fibres are cancelled, what they wait for is withdrawn."""
        if self._state.outcome is None:
            self._abort(error)

    def revive(self) -> None:
        """A run that has failed is parked at the statement of its main fibre that failed or stood there.

        Raises:
            NotParked: it has not failed.
        """
        state = self._state
        error = getattr(state.outcome, "error", None)
        if error is None:
            raise NotParked("the run has not failed")
        main = state.main
        if main.step:
            is_command = self._program.code.code[main.pc][0] == "exec"
            main.failed_step = main.step if is_command else 0
        main.step, main.given, main.dying, main.parked = 0, None, False, error
        state.outcome, state.told, state.failing, state.owed = None, False, None, False
        state.ready.clear()
        state.withdrawn.clear()
        self._new.clear()
        self._park(main, error)

    # Which fibre, which variable

    def _parked(self, number: int) -> Fibre:
        for fibre in all_fibres(self._state.main):
            if fibre.number == number and fibre.parked is not None and not fibre.dying:
                return fibre
        raise NotParked(f"fibre {number} is not parked")

    def _variables(self, fibre: Fibre, name: str) -> Iterator[tuple[Fibre, Slots, int]]:
        """Where a name is seen from the fibre's statement, the nearest first: whose variable, its frame and slot."""
        own, slots, pc, level = fibre, fibre.slots, fibre.pc, 0 if fibre.stack else fibre.level
        while True:
            for slot in self._slots(name, pc):
                if slot >= FIRST + level and slots[slot] is not UNSET:
                    yield own, slots, slot
            if own.group is None or own.stack:
                break
            own = own.group.parent
            slots, pc, level = own.slots, own.pc, 0 if own.stack else own.level
        main = self._state.main
        slots, pc = (main.stack[0][0], main.stack[0][1]) if main.stack else (main.slots, main.pc)
        for slot in self._slots(name, pc):
            if slots[slot] is not UNSET:
                yield main, slots, slot

    def _slots(self, name: str, pc: int) -> list[int]:
        """The slots that are called so at an instruction, the innermost first."""
        names = self._program.code.names
        found = [slot for slot, called, first, end in names if called == name and first <= pc < end]
        return sorted(found, reverse=True)

    def _seen(self, fibre: Fibre) -> str:
        names = {name for _, name, first, end in self._program.code.names if first <= fibre.pc < end}
        return ", ".join(sorted(names)) or "none"

    def _copy_down(self, owner: Fibre, slots: Slots, slot: int, value: Value) -> None:
        """The fibres below see their parent's variables as copies."""
        if owner.children is None or owner.slots is not slots:
            return
        for child in owner.children.fibres.values():
            bottom = child.stack[0][0] if child.stack else child.slots
            if slot < FIRST + child.level:
                bottom[slot] = value
                self._copy_down(child, bottom, slot, value)

    # Going on

    def _again(self, fibre: Fibre) -> None:
        pc = fibre.pc
        if self._takes_temporaries(pc):
            pc = self._program.code.starts[pc]
            self._empty(fibre.slots, pc)
        fibre.retries = (fibre.pc, len(fibre.stack)) if fibre.failed_step else None
        self._go_on(fibre, pc)

    def _go_on(self, fibre: Fibre, pc: int) -> None:
        fibre.parked = None
        self._running.spent += self._program.enter[pc]
        self._rest(fibre, fibre.slots, self._program.target(pc))
        self._state.ready.append(fibre)

    def _retried(self, fibre: Fibre, pc: int) -> int:
        """The number of the command that is asked for again; 0: it is a new one."""
        return fibre.failed_step if fibre.retries == (pc, len(fibre.stack)) else 0

    def _empty(self, slots: Slots, pc: int) -> None:
        """Temporaries belong to one statement."""
        _, temporaries, end = self._program.extent(pc)
        slots[temporaries:end] = [UNSET] * (end - temporaries)

    def _takes_temporaries(self, pc: int) -> bool:
        """Whether the instruction has used up what the statement had found out before it."""
        todo: list[Any] = [self._program.code.code[pc][1:]]
        while todo:
            one = todo.pop()
            if "t" in one:
                return True
            todo.extend(part for part in one if isinstance(part, list))
        return False

    def _completing(self, pc: int) -> int:
        """The instruction that completes the statement which the one at `pc` is a part of."""
        code = self._program.code
        start = code.starts[pc]
        _, temporaries, _ = self._program.extent(pc)
        while True:
            kind, *operands = code.code[pc]
            if code.starts[pc] == start and _completes(kind, operands, temporaries):
                return pc
            pc = operands[3] if kind == "parallel" else pc + 1

    def _skipped(self, fibre: Fibre, pc: int, value: Value) -> int | None:
        """Completes a statement with a value; where the fibre goes on in its frame, None: it has been seen to."""
        running, program, slots = self._running, self._program, fibre.slots
        kind, *operands = program.code.code[pc]
        if pc in program.links:
            after, slot, _ = program.links[pc]
            if slot != NOWHERE:
                running.store(slots, slot, value, pc, False)
            return after
        if kind in ("set", "push"):
            running.store(slots, operands[0], value, pc, False)
        elif kind == "change":
            running.change(slots, operands[0], operands[1], value, pc)
        elif kind == "put" and value is not None:
            raise type_fault("an element cannot be given by skip: skip without a value, and set the variable")
        elif kind in ("branch", "while"):
            return pc + 1 if truth(value) else int(operands[1])
        elif kind in ("for", "over", "count"):
            if value is None:
                return int(program.code.code[pc + 1][-1])
            if kind != "for":
                raise type_fault("this loop cannot be given what it walks: skip it without a value, or set")
            begin_over(running, slots, operands[0], value, pc)
        elif kind == "return":
            return self._returned(fibre, value)
        return pc + 1

    def _returned(self, fibre: Fibre, value: Value) -> int | None:
        if not fibre.stack:
            self._rest(fibre, fibre.slots, fibre.pc)
            self._ended(fibre, value)
            return None
        running = self._running
        slots, call, running.held = fibre.stack.pop()
        fibre.slots, fibre.pc = slots, call
        after, slot, _ = self._program.links[call]
        if slot != NOWHERE:
            running.store(slots, slot, value, call, False)
        return after


def _given(plain: Any) -> Value:
    """Plain data from outside as a value.

    Raises:
        Fault: it is none, or too large.
    """
    value = from_plain(plain)
    if size_of(value) > EFFECT_RESULT.most:
        raise EFFECT_RESULT.fault()
    if isinstance(value, Array | Map):
        value.shared = True
    return value


def _completes(kind: str, operands: list[Any], temporaries: int) -> bool:
    """Whether an instruction completes a statement: its result is no temporary of it."""
    if kind in ("set", "change", "push", "put"):
        return bool(operands[0] < temporaries)
    if kind in ("effect", "exec", "call", "parallel"):
        return bool(operands[-1] < temporaries)
    if kind == "branch":
        words = operands[0]
        return not (words[0] == "v" and words[1] >= temporaries)
    return kind in ("drop", "fail", "return", "while", "for", "over", "count")
