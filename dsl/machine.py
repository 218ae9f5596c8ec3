"""The machine: runs a program up to what it asks for, and takes the answers. It performs nothing.

`advance` runs every fibre that can go on, one after the other, until all wait or the slice is over. Each
decision depends on the program and the answers alone, so the same answers give the same requests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Self

from codeai.dsl import state as states
from codeai.dsl.bind import Bound, bind
from codeai.dsl.faults import Fault
from codeai.dsl.fibres import Fibre, State
from codeai.dsl.limits import (
    SLICE,
    UNDO_ENTRIES,
)
from codeai.dsl.opcodes import FIRST
from codeai.dsl.parking import Parking
from codeai.dsl.requests import (
    Asking,
    EffectResult,
    Failed,
    Finished,
    Request,
    Sliced,
    UndoRequest,
)
from codeai.dsl.running import STOP, Running, Slots, Why, caught
from codeai.dsl.values import (
    ErrorValue,
    from_plain,
)
from codeai.dsl.view import view_of
from codeai.dsl.waiting import is_undoable, received, request_of

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


class Machine(Parking):
    """One run. Between two calls of `advance` it may be stored by `state` and made again by `resume`."""

    @classmethod
    def start(cls, program: Bound, inputs: Mapping[str, Any]) -> Self:
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
    def resume(cls, program: Bound, state: dict[str, Any]) -> Self:
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
        return view_of(self._program.code, self._state, self._pending.values(), self._running.spent)

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
        if step in self._state.undo and not is_undoable(request, result, error, fibre.has_begun):
            del self._state.undo[step]
        fibre.has_begun = False
        if fibre.dying:
            if step in self._state.withdrawn:
                self._state.withdrawn.remove(step)
            self._gone(fibre)
        else:
            fibre.failed_step = step if error is not None and request.effect == "exec" else 0
            self._deliver(fibre, value, error)
            if fibre.parked is None and self._state.outcome is None:
                fibre.failed_step = 0

    def undone(self, step: int) -> None:
        """The undo of a step is off the stack: it is being run."""
        self._state.undo.pop(step, None)

    def cancel(self) -> None:
        """Ends all fibres: what they wait for is withdrawn, its answers are still awaited."""
        state = self._state
        if state.outcome is None:
            line = self._program.code.lines[state.main.pc]
            self._abort(ErrorValue("cancelled", "the execution was cancelled", line))

    # One fibre

    def _go(self, fibre: Fibre) -> bool:
        """Runs a fibre until it waits or ends; False where the slice was over before."""
        running, steps, ready = self._running, self._running.steps, self._state.ready
        self._enter(fibre)
        slots, pc, unwatched = fibre.slots, fibre.pc, running.unwatched
        while True:
            try:
                if running.spent > running.stop:
                    pc = running.pause(pc, slots)
                while pc != STOP:
                    for _ in unwatched:
                        pc = steps[pc](slots)
                        if pc < 0:
                            break
                    else:
                        if running.spent > running.stop:
                            pc = running.pause(pc, slots)
                        continue
                    if pc != STOP:
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

    # Effects

    def _ask(self, fibre: Fibre, pc: int, slots: Slots, given: dict[str, Any]) -> None:
        """The fibre waits for an effect from now on.

        Raises:
            Fault: what is given does not fit.
        """
        state = self._state
        self._running.mark_effect()
        step = self._retried(fibre, pc) or state.steps + 1
        request = request_of(self._program.code, step, fibre, pc, slots, given)
        has_undo = request.undo is not None or request.effect == "run"
        if has_undo and step not in state.undo and len(state.undo) >= UNDO_ENTRIES.most:
            raise UNDO_ENTRIES.fault()
        self._running.grow(states.given_size(given), pc, slots)
        state.steps = max(state.steps, step)
        fibre.has_begun = step in state.undo
        if has_undo:
            state.undo[step] = None
        fibre.failed_step, fibre.retries = 0, None
        fibre.step, fibre.given = step, given
        self._rest(fibre, slots, pc)
        self._waiting[step] = fibre
        self._pending[step] = request
        self._new[step] = request
