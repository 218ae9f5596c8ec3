"""The machine: runs a program up to what it asks for, and takes the answers. It performs nothing.

`advance` runs every fibre that can go on, one after the other, until all wait or the slice is over. Each
decision depends on the program and the answers alone, so the same answers give the same requests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from codeai.dsl import state as states
from codeai.dsl.bind import Bound, bind
from codeai.dsl.effects import PARALLEL_OPTIONS
from codeai.dsl.faults import NOT_CAUGHT, Fault, type_fault
from codeai.dsl.fibres import Fibre, Group, State, all_fibres
from codeai.dsl.limits import (
    FIBRE,
    SLICE,
    STATE,
    UNDO_ENTRIES,
)
from codeai.dsl.opcodes import FIRST, NOWHERE
from codeai.dsl.requests import (
    Asking,
    EffectResult,
    Failed,
    Finished,
    Request,
    Sliced,
    UndoRequest,
    parallel_options,
)
from codeai.dsl.running import LIGHT, STOP, UNSET, Running, Slots, Why, caught
from codeai.dsl.values import (
    Array,
    ErrorValue,
    Map,
    Value,
    array,
    from_plain,
    named,
    size_of,
    weight,
)
from codeai.dsl.waiting import collected, is_undoable, received, request_of, seen

__all__ = [
    "Asking",
    "Bound",
    "EffectResult",
    "Failed",
    "Finished",
    "Machine",
    "Request",
    "Sliced",
    "UndoRequest",
    "bind",
]


class Machine:
    """One run. Between two calls of `advance` it may be stored by `state` and made again by `resume`."""

    def __init__(self, state: State, running: Running) -> None:
        self._state = state
        self._running = running
        self._program = running.program
        self._new: dict[int, Request] = {}
        self._waiting: dict[int, Fibre] = {}
        self._pending: dict[int, Request] = {}
        self._held = 0
        for fibre in all_fibres(state.main):
            self._held += fibre.held + (fibre.children.held if fibre.children else 0)
            if fibre.step:
                self._waiting[fibre.step] = fibre
        for step in sorted(self._waiting):
            fibre = self._waiting[step]
            self._pending[step] = request_of(
                self._program.code, step, fibre, fibre.pc, fibre.slots, fibre.given
            )

    @classmethod
    def start(cls, program: Bound, inputs: Mapping[str, Any]) -> Machine:
        """A new run. `inputs` are checked (see `inputs.py`): plain data or values by name."""
        running = Running(program)
        slots = program.frame(0, running, None)
        main = Fibre(1, slots, 0)
        for at, param in enumerate(program.code.params):
            if param.name in inputs:
                slots[FIRST + at] = from_plain(inputs[param.name])
        running.spent = program.enter[0]
        main.held = running.settle(main.stack, slots, 0, 0)
        return cls(State(main, deque([main]), fibres=1), running)

    @classmethod
    def resume(cls, program: Bound, state: dict[str, Any]) -> Machine:
        """The run whose `state()` this is.

        Raises:
            ValueError: the state was written by a newer build.
        """
        return cls(*states.from_plain(program, state))

    def state(self) -> dict[str, Any]:
        """The whole state as plain JSON data."""
        return states.to_plain(self._state, self._running)

    # What can be seen

    @property
    def pending(self) -> Mapping[int, Request]:
        """Asked and not answered yet, by step."""
        return self._pending

    @property
    def runnable(self) -> bool:
        """Whether `advance` would do something now."""
        state = self._state
        return bool(state.ready or state.withdrawn or state.owed or (state.outcome and not state.told))

    @property
    def undo_stack(self) -> tuple[int, ...]:
        """The steps that have an undo, in the order of their starts."""
        return tuple(self._state.undo)

    @property
    def steps(self) -> int:
        """The number of the last step that was asked for."""
        return self._state.steps

    @property
    def withdrawn(self) -> tuple[int, ...]:
        """The steps that shall be cancelled and whose answers are still awaited."""
        return tuple(step for step, fibre in self._waiting.items() if fibre.dying)

    @property
    def instructions(self) -> int:
        """Counted since the run began."""
        return self._running.spent

    def view(self) -> dict[str, Any]:
        """Where the run stands, for people: fibres with line and variables, requests, undo stack."""
        return {
            "fibres": [seen(self._program.code, fibre) for fibre in all_fibres(self._state.main)],
            "pending": [
                {"step": one.step, "effect": one.effect, "line": one.line} for one in self._pending.values()
            ],
            "undo": list(self._state.undo),
            "instructions": self._running.spent,
        }

    # Going on

    def advance(self) -> Asking | Sliced | Finished | Failed:
        """Runs until every fibre waits or has ended, or the slice is over."""
        state = self._state
        if state.owed:
            state.owed = False
            return Sliced()
        self._running.open_slice(SLICE)
        while state.ready:
            fibre = state.ready[0]
            if fibre.dying:
                state.ready.popleft()
                self._gone(fibre)
            elif not self._go(fibre):
                if not self._new and not state.withdrawn:
                    return Sliced()
                state.owed = True
                break
        if state.outcome is not None:
            state.told = True
            return state.outcome
        asking = Asking(tuple(self._new.values()), tuple(state.withdrawn))
        self._new.clear()
        state.withdrawn.clear()
        return asking

    def answer(self, step: int, result: EffectResult) -> None:
        """The result of an effect that was asked for.

        Raises:
            ValueError: nobody waits for this step.
        """
        fibre = self._waiting.pop(step, None)
        if fibre is None:
            raise ValueError(f"nobody waits for an answer to step {step}")
        request = self._pending.pop(step)
        value, error = received(request, result)
        if request.undo is not None and not is_undoable(request, result, error):
            self._state.undo.pop(step, None)
        if fibre.dying:
            self._gone(fibre)
        else:
            self._deliver(fibre, value, error)

    def cancel(self) -> None:
        """Ends all fibres: what they wait for is withdrawn, its answers are still awaited."""
        state = self._state
        if state.outcome is None:
            line = self._program.code.lines[state.main.pc]
            self._abort(ErrorValue("cancelled", "the execution was cancelled", line))

    # One fibre

    def _enter(self, fibre: Fibre) -> None:
        """The registers are this fibre's from now on."""
        running = self._running
        running.stack, running.held, running.level = fibre.stack, fibre.held, fibre.level
        running.room = STATE.most - (self._held - fibre.held)

    def _rest(self, fibre: Fibre, slots: Slots, pc: int) -> None:
        """The fibre stands still, before the instruction at `pc` or waiting for it."""
        fibre.slots, fibre.pc = slots, pc
        held = self._running.settle(fibre.stack, slots, pc, fibre.level) + states.given_size(fibre.given)
        self._held += held - fibre.held
        fibre.held = held

    def _go(self, fibre: Fibre) -> bool:
        """Runs a fibre until it waits or ends; False where the slice was over before."""
        running, steps, ready = self._running, self._program.steps, self._state.ready
        self._enter(fibre)
        slots, pc = fibre.slots, fibre.pc
        while True:
            try:
                if running.spent > running.stop:
                    pc = running.pause(pc, slots)
                while True:
                    while pc >= 0:
                        pc = steps[pc](slots)
                    if pc == STOP:
                        break
                    pc, slots = ~pc, running.slots
                pc, slots = running.pc, running.slots
                if running.why is Why.PAUSED:
                    self._rest(fibre, slots, pc)
                    return False
                if running.why is Why.EFFECT:
                    self._ask(fibre, pc, slots, running.given)
                    ready.popleft()
                elif running.why is Why.PARALLEL:
                    group = self._group(fibre, running.given)
                    ready.popleft()
                    fibre.children = group
                    self._rest(fibre, slots, pc)
                    self._held += group.held
                    self._refill(group)
                else:
                    ready.popleft()
                    self._rest(fibre, slots, pc)
                    self._ended(fibre, running.value)
                return True
            except Fault as fault:
                error = caught(fault, self._program.code.lines[pc])
                found = self._handler(error, slots, pc)
                if isinstance(found, ErrorValue):
                    ready.popleft()
                    self._rest(fibre, slots, pc)
                    self._failed(fibre, found)
                    return True
                slots, pc = found

    def _handler(self, error: ErrorValue, slots: Slots, pc: int) -> tuple[Slots, int] | ErrorValue:
        """The frame and instruction that go on with an error; the error that nobody catches."""
        running, program = self._running, self._program
        if error.kind in NOT_CAUGHT:
            return error
        depth = len(running.stack)
        at, found = pc, program.handlers[pc]
        while found is None:
            if depth == 0:
                return error  # nothing is unwound: the state shows where it failed
            depth -= 1
            at = running.stack[depth][1]
            found = program.handlers[at]
        if depth < len(running.stack):
            slots, pc, running.held = running.stack[depth]
            del running.stack[depth:]
        target, slot = found
        _, _, end = program.extent(pc)
        for place in range(slot, end):  # all that the block had
            if type(slots[place]) not in LIGHT:
                running.held -= size_of(slots[place])
            slots[place] = UNSET
        running.spent += program.enter[target]
        try:
            running.store(slots, slot, error, target, True)
        except Fault as fault:
            return caught(fault, program.code.lines[pc])
        return slots, program.target(target)

    # Effects

    def _ask(self, fibre: Fibre, pc: int, slots: Slots, given: dict[str, Any]) -> None:
        """The fibre waits for an effect from now on.

        Raises:
            Fault: what is given does not fit.
        """
        state = self._state
        self._running.mark_effect()
        step = state.steps + 1
        request = request_of(self._program.code, step, fibre, pc, slots, given)
        if request.undo is not None and len(state.undo) >= UNDO_ENTRIES.most:
            raise UNDO_ENTRIES.fault()
        self._running.grow(states.given_size(given), pc, slots)
        state.steps = step
        if request.undo is not None:
            state.undo[step] = None
        fibre.step, fibre.given = step, given
        self._rest(fibre, slots, pc)
        self._waiting[step] = fibre
        self._pending[step] = request
        self._new[step] = request

    def _deliver(self, fibre: Fibre, value: Value, error: ErrorValue | None) -> None:
        """The fibre goes on with what it waited for."""
        running, program = self._running, self._program
        fibre.step, fibre.given = 0, None
        slots, pc = fibre.slots, fibre.pc
        self._rest(fibre, slots, pc)
        self._enter(fibre)
        after, slot, count = program.links[pc]
        if error is None:
            try:
                running.spent += count
                if slot != NOWHERE:
                    running.store(slots, slot, value, pc, True)
                pc = after
            except Fault as fault:
                error = caught(fault, program.code.lines[pc])
        if error is not None:
            found = self._handler(error, slots, pc)
            if isinstance(found, ErrorValue):
                self._rest(fibre, slots, pc)
                self._failed(fibre, found)
                return
            slots, pc = found
        self._rest(fibre, slots, pc)
        self._state.ready.append(fibre)

    # Fibres that begin and end

    def _group(self, fibre: Fibre, given: tuple[dict[str, Value], Value]) -> Group:
        options, items = given
        if type(items) is not Array:
            raise type_fault(f"parallel for walks an array, not {named(items)}")
        limit, collect = parallel_options(options, PARALLEL_OPTIONS)
        self._running.spent += weight(items)
        items.shared = True
        group = Group.of(fibre, items, limit, collect)
        if self._running.held + group.held > self._running.room:
            raise STATE.fault()
        return group

    def _refill(self, group: Group) -> None:
        """Begins as many fibres as may run; without any, the group is done."""
        parent = group.parent
        slot = FIRST + states.level_of(self._program, parent.pc)
        while group.items and len(group.fibres) < group.limit and self._held <= STATE.most:
            place, item = group.next_place, group.items.popleft()
            self._resize(group, -size_of(item) - 1)
            state, running = self._state, self._running
            state.fibres += 1
            slots = parent.slots.copy()
            start, _, end = self._program.extent(parent.pc)
            slots[slot:end] = [UNSET] * (end - slot)
            fibre = Fibre(state.fibres, slots, self._program.target(parent.pc + 1), group, place)
            fibre.level = slot - start
            self._enter(fibre)
            slots[slot] = item
            if type(item) not in LIGHT:
                running.spent += weight(item)
                if isinstance(item, Array | Map):
                    item.shared = True
            running.spent += FIBRE + self._program.enter[parent.pc + 1]
            group.fibres[fibre.number] = fibre
            self._rest(fibre, slots, fibre.pc)
            state.ready.append(fibre)
        if self._held > STATE.most:
            self._abort(caught(STATE.fault(), self._program.code.lines[parent.pc]))
        elif not group.fibres:
            self._finish(group)

    def _ended(self, fibre: Fibre, value: Value) -> None:
        group = fibre.group
        if group is None:
            self._state.outcome = Finished(value)
            return
        if isinstance(value, Array | Map):
            value.shared = True
        group.results[fibre.place] = value
        self._left(fibre, group, size_of(value))

    def _failed(self, fibre: Fibre, error: ErrorValue) -> None:
        group = fibre.group
        if group is None:
            self._state.outcome = Failed(error)
        elif error.kind in NOT_CAUGHT:
            self._forget(fibre, group)
            self._abort(error)
        elif group.collect:
            group.errors[fibre.place] = error
            self._left(fibre, group, size_of(error))
        else:
            self._forget(fibre, group)
            group.error = error
            group.items.clear()
            for other in list(group.fibres.values()):
                self._kill(other)
            if not group.fibres and group.parent.children is group:
                self._finish(group)

    def _left(self, fibre: Fibre, group: Group, size: int) -> None:
        """A fibre has ended with a result or a collected error of this size."""
        self._forget(fibre, group)
        self._resize(group, size + 1)
        self._refill(group)

    def _resize(self, group: Group, change: int) -> None:
        group.held += change
        self._held += change

    def _forget(self, fibre: Fibre, group: Group) -> None:
        del group.fibres[fibre.number]
        self._held -= fibre.held

    def _finish(self, group: Group) -> None:
        """All fibres of the group have ended: its parent goes on."""
        parent = group.parent
        parent.children = None
        self._held -= group.held
        if parent.dying:
            self._gone(parent)
            return
        error = group.error
        value: Value = None
        line = self._program.code.lines[parent.pc]
        if group.errors:
            error = collected(group, line)
        if error is None:
            try:
                value = array(group.results)
            except Fault as fault:
                error = caught(fault, line)
        self._deliver(parent, value, error)

    # Ending fibres before their time

    def _abort(self, error: ErrorValue) -> None:
        """The whole run fails with this error as soon as its fibres have ended."""
        if self._state.failing is None:
            self._state.failing = error
            self._kill(self._state.main)

    def _kill(self, fibre: Fibre) -> None:
        """Cancels a fibre and all below it; one that waits for an answer ends when it comes."""
        state = self._state
        if fibre.dying:
            return
        fibre.dying = True
        if fibre.children is not None:
            fibre.children.items.clear()
            for child in list(fibre.children.fibres.values()):
                self._kill(child)
            if fibre.children is not None and not fibre.children.fibres:
                self._finish(fibre.children)
        elif not fibre.step:
            return  # it is ready: its turn comes, and ends it
        elif self._new.pop(fibre.step, None) is not None:  # nobody heard of it yet
            state.undo.pop(fibre.step, None)
            del self._waiting[fibre.step], self._pending[fibre.step]
            self._gone(fibre)
        else:
            state.withdrawn.append(fibre.step)

    def _gone(self, fibre: Fibre) -> None:
        """A cancelled fibre has ended."""
        group = fibre.group
        if group is None:
            assert self._state.failing is not None
            self._state.outcome = Failed(self._state.failing)
            return
        self._forget(fibre, group)
        if not group.fibres and group.parent.children is group:
            self._finish(group)
