"""How fibres begin, wait, go on with an answer or an error, and end: the moves that the machine makes."""

from __future__ import annotations

from codeai.dsl import state as states
from codeai.dsl.effects import PARALLEL_OPTIONS
from codeai.dsl.faults import NOT_CAUGHT, Fault
from codeai.dsl.fibres import Fibre, Group, State, all_fibres
from codeai.dsl.limits import (
    FIBRE,
    FIBRES_AT_ONCE,
    STATE,
)
from codeai.dsl.opcodes import FIRST, NOWHERE
from codeai.dsl.requests import (
    Failed,
    Finished,
    Request,
    parallel_items,
    parallel_options,
)
from codeai.dsl.running import LIGHT, UNSET, Running, Slots, caught
from codeai.dsl.values import (
    Array,
    ErrorValue,
    Map,
    Value,
    array,
    size_of,
    weight,
)
from codeai.dsl.waiting import collected, request_of

_MOST_PLACES = 4_000_000
"""Places for variables that the frames of a parallel's fibres have together: where there are thousands of variables,
fewer fibres than its limit run at once."""


MOST_STDERR = 4096
"""Characters of a parked error's message, and of the end of its stderr."""


class Scheduling:
    """A run's fibres and who waits for what. Every move leaves the sizes of all that is held right."""

    def __init__(self, state: State, running: Running) -> None:
        self._become(state, running)

    def _become(self, state: State, running: Running) -> None:
        self._state = state
        self._running = running
        self._program = running.program
        self._new: dict[int, Request] = {}
        self._waiting: dict[int, Fibre] = {}
        self._pending: dict[int, Request] = {}
        self._held = 0
        for fibre in all_fibres(state.main):
            self._held += fibre.held + (fibre.children.held if fibre.children else 0)
            if fibre.step and state.outcome is None:  # else it has its answer: it shows where the run stood
                self._waiting[fibre.step] = fibre
        for step in sorted(self._waiting):
            fibre = self._waiting[step]
            self._pending[step] = request_of(
                self._program.code, step, fibre, fibre.pc, fibre.slots, fibre.given
            )

    def _enter(self, fibre: Fibre) -> None:
        """The registers are this fibre's from now on."""
        running = self._running
        running.stack, running.held, running.level = fibre.stack, fibre.held, fibre.level
        running.room = STATE.most - (self._held - fibre.held)

    def _rest(self, fibre: Fibre, slots: Slots, pc: int) -> None:
        """The fibre stands still, before the instruction at `pc` or waiting for it."""
        fibre.slots, fibre.pc = slots, pc
        held = self._running.settle(fibre.stack, slots, pc, fibre.level) + states.kept_size(fibre)
        self._held += held - fibre.held
        fibre.held = held

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
        walked = parallel_items(items)
        limit, collect = parallel_options(options, PARALLEL_OPTIONS)
        self._running.spent += weight(walked)
        walked.shared = True
        group = Group.of(fibre, walked, limit, collect)
        if self._running.held + group.held > self._running.room:
            raise STATE.fault()
        return group

    def _refill(self, group: Group) -> None:
        """Begins as many fibres as may run; without any, the group is done."""
        parent = group.parent
        slot = FIRST + states.level_of(self._program, parent.pc)
        limit = min(group.limit, max(_MOST_PLACES // len(parent.slots), 1), _share(group))
        while group.items and len(group.fibres) < limit and self._held <= STATE.most:
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
        if self._parks(fibre, error):
            self._park(fibre, error)
        elif group is None:
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

    def _parks(self, fibre: Fibre, error: ErrorValue) -> bool:
        """Whether the fibre waits for a person: not where a `try` around one of its parents catches the error, and not
        with an error that no `try` can catch, which a run that went on would meet again."""
        if not self._state.parks or error.kind in NOT_CAUGHT:
            return False
        handlers = self._program.handlers
        group = fibre.group
        while group is not None:
            parent = group.parent
            if any(handlers[pc] is not None for pc in (parent.pc, *(call for _, call, _ in parent.stack))):
                return False
            group = parent.group
        return True

    def _park(self, fibre: Fibre, error: ErrorValue) -> None:
        """The fibre stands still at its failed statement; what is kept of the error is what people read."""
        if fibre.retries not in (None, (fibre.pc, len(fibre.stack))):
            fibre.failed_step = 0  # it has failed at another place than the command that was to be retried
        fibre.retries = None
        stderr = None if error.stderr is None else error.stderr[-MOST_STDERR:]
        fibre.parked = ErrorValue(
            error.kind, error.message[:MOST_STDERR], error.line, error.exit_code, stderr
        )
        self._rest(fibre, fibre.slots, fibre.pc)
        if self._held > STATE.most:
            self._abort(caught(STATE.fault(), self._program.code.lines[fibre.pc]))

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
        elif fibre.parked is not None:
            self._gone(fibre)
        elif not fibre.step:
            return  # it is ready: its turn comes, and ends it
        elif self._new.pop(fibre.step, None) is not None:  # nobody heard of it yet
            if not fibre.has_begun:
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


def _share(group: Group) -> int:
    """How many fibres of a group may run at once. Those of a run share alike, whichever came first."""
    around: list[Group] = []
    outer = group.parent.group
    while outer is not None:
        around.append(outer)
        outer = outer.parent.group
    share = FIBRES_AT_ONCE
    for outer in reversed(around):
        share = max(share // max(min(outer.limit, outer.count), 1), 1)
    return share
