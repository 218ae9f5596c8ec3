"""A machine that tells a recorder what its fibres do beside their statements: effects, errors, parallels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codeai.dsl.bind import Bound
from codeai.dsl.brief import brief
from codeai.dsl.fibres import Fibre, Group, State
from codeai.dsl.machine import Machine
from codeai.dsl.opcodes import FIRST
from codeai.dsl.patched import Moved
from codeai.dsl.requests import Request
from codeai.dsl.running import UNSET, Running, Slots
from codeai.dsl.trace_entries import Change, Entry, UndoBlock
from codeai.dsl.trace_steps import Watched, image
from codeai.dsl.values import ErrorValue, ExecValue, Value, from_plain


class Traced(Machine):
    """Every move does what its machine does, and is noted."""

    def _become(self, state: State, running: Running) -> None:
        super()._become(state, running)
        program = running.program
        assert isinstance(program, Watched)
        self._watched = program
        self._recorder = program.recorder
        self._recorder.fibre = state.main

    def note_inputs(self) -> None:
        """The run has just been started."""
        main, code = self._state.main, self._program.code
        for slot, param in enumerate(code.params, FIRST):
            if main.slots[slot] is not UNSET and (index := self._recorder.begin()):
                changed = (Change(param.name, UNSET, image(main.slots, slot)),)
                self._recorder.keep(Entry(index, "input", main.number, param.line, changed=changed))

    @property
    def is_over(self) -> bool:
        """Whether the program has ended."""
        return self._state.outcome is not None and self._state.told

    def note_undo(self, blocks: Sequence[UndoBlock]) -> None:
        """The program has ended: what of its undo stack was run, in that order. A block that was killed with its run
        may have run again."""
        stack = frozenset(self.undo_stack)
        for block in blocks:
            if block.undoes not in stack:
                continue
            self.undone(block.undoes)
            if index := self._recorder.begin():
                self._recorder.keep(_undone(index, self._state.main.number, block))

    def cancel(self) -> None:
        if self._state.outcome is None and self._state.failing is None:
            self._note("cancel", self._state.main)
        super().cancel()

    def patch(self, program: Bound, to: Moved) -> None:
        super().patch(program, to)
        self._note("patch", self._state.main)

    def retry(self, number: int) -> None:
        fibre = self._parked(number)
        index, pc = self._recorder.begin(), fibre.pc
        super().retry(number)
        if index:
            self._keep(index, "retry", fibre, pc)

    def skip(self, number: int, plain: Any = None) -> None:
        fibre = self._parked(number)
        index, pc = self._recorder.begin(), fibre.pc
        super().skip(number, plain)
        if index:
            self._keep(index, "skip", fibre, pc, value=brief(from_plain(plain)))

    def set(self, number: int, name: str, plain: Any) -> None:
        fibre = self._parked(number)
        index = self._recorder.begin()
        before = image(*self._variable(fibre, name)) if index else UNSET
        super().set(number, name, plain)
        if index:
            changed = (Change(name, before, image(*self._variable(fibre, name))),)
            self._keep(index, "set", fibre, fibre.pc, changed=changed)

    def _variable(self, fibre: Fibre, name: str) -> tuple[Slots, int]:
        """Where the variable is that a name means at a parked statement."""
        _, slots, slot = next(self._variables(fibre, name))
        return slots, slot

    def give_up(self, error: ErrorValue) -> None:
        if self._state.outcome is None:
            self._note("give_up", self._state.main)
        super().give_up(error)

    # Effects

    def _enter(self, fibre: Fibre) -> None:
        super()._enter(fibre)
        self._recorder.fibre = fibre

    def _ask(self, fibre: Fibre, pc: int, slots: Slots, given: dict[str, Any]) -> None:
        super()._ask(fibre, pc, slots, given)
        index = self._recorder.begin()
        if index:
            self._recorder.keep(_asked(index, self._pending[fibre.step], given))

    def _deliver(self, fibre: Fibre, value: Value, error: ErrorValue | None) -> None:
        pc, slots, step = fibre.pc, fibre.slots, fibre.step
        index = self._recorder.begin()
        if not index:
            super()._deliver(fibre, value, error)
            return
        _, slot, _ = self._program.links[pc]
        given = None if error is not None else self._watched.names.given(slot, pc, self._after(pc))
        before = UNSET if given is None else given.before(slots)
        super()._deliver(fibre, value, error)
        self._recorder.keep(
            Entry(
                index,
                "answer" if step else "join",
                fibre.number,
                self._program.code.lines[pc],
                step=step or None,
                name=_effect(self._program.code.code[pc]),
                exit_code=value.exit_code if isinstance(value, ExecValue) else None,
                value=brief(value) if error is None else UNSET,
                error=None if error is None else brief(error),
                changed=() if given is None else (Change(given.name, before, brief(value)),),
            )
        )

    def _after(self, pc: int) -> int:
        """The instruction behind the effect or parallel at `pc`."""
        name, *operands = self._program.code.code[pc]
        return int(operands[3]) if name == "parallel" else pc + 1

    # Errors

    def _handler(self, error: ErrorValue, slots: Slots, pc: int) -> tuple[Slots, int] | ErrorValue:
        recorder = self._recorder
        found = super()._handler(error, slots, pc)
        index = recorder.begin()
        if isinstance(found, ErrorValue):
            recorder.last_error = recorder.count
            if index:
                recorder.fibre.slots, recorder.fibre.pc = slots, pc
                self._keep(index, "error", recorder.fibre, pc, error=brief(found))
            return found
        recorder.last_caught = recorder.count
        if index:
            frame, after = found
            fibre = recorder.fibre
            fibre.slots, fibre.pc = frame, after
            self._keep(
                index, "caught", fibre, pc, error=brief(error), changed=self._named(frame, after, error)
            )
        return found

    def _named(self, frame: Slots, after: int, error: ErrorValue) -> tuple[Change, ...]:
        """The name that a `catch` gives the error."""
        for handler, slot in self._watched.catches.get(after, ()):
            given = self._watched.names.given(slot, handler - 1)
            if frame[slot] is error and given is not None:
                return (Change(given.name, UNSET, brief(error)),)
        return ()

    # Fibres

    def _group(self, fibre: Fibre, given: tuple[dict[str, Value], Value]) -> Group:
        group = super()._group(fibre, given)
        options, items = given
        if index := self._recorder.begin():
            shown = {"items": brief(items), **{name: brief(value) for name, value in options.items()}}
            self._keep(index, "parallel", fibre, self._running.pc, arguments=shown)
        return group

    def _refill(self, group: Group) -> None:
        known = self._state.fibres
        super()._refill(group)
        for number in range(known + 1, self._state.fibres + 1):
            fibre = group.fibres.get(number)
            if fibre is None or not (index := self._recorder.begin()):
                continue
            slot, pc = FIRST + fibre.level, group.parent.pc
            given = self._watched.names.given(slot, pc)
            changed = () if given is None else (Change(given.name, UNSET, image(fibre.slots, slot)),)
            self._keep(index, "begin", fibre, pc, changed=changed)

    def _gone(self, fibre: Fibre) -> None:
        self._note("cancelled", fibre)
        super()._gone(fibre)

    # Noting

    def _note(self, kind: str, fibre: Fibre) -> None:
        if index := self._recorder.begin():
            self._keep(index, kind, fibre, fibre.pc)

    def _keep(self, index: int, kind: str, fibre: Fibre, pc: int, **known: Any) -> None:
        self._recorder.keep(Entry(index, kind, fibre.number, self._program.code.lines[pc], **known))


def _asked(index: int, request: Request, given: dict[str, Any]) -> Entry:
    """An effect with what the program gave it, as people may see it."""
    options = given if request.text is None else given["options"]
    return Entry(
        index,
        "ask",
        request.fibre,
        request.line,
        step=request.step,
        name=request.effect,
        text=request.text if request.text is None else brief(request.text),
        arguments=_briefs(options) or None,
        variables=_briefs(request.variables) or None,
    )


def _undone(index: int, fibre: int, block: UndoBlock) -> Entry:
    return Entry(
        index,
        "undo",
        fibre,
        block.line,
        step=block.step,
        undoes=block.undoes,
        name=block.name,
        text=block.text,
        arguments=block.arguments,
        variables=block.variables,
        exit_code=block.exit_code,
        value=block.value,
        error=block.error,
    )


def _briefs(values: dict[str, Value]) -> dict[str, Any]:
    return {name: brief(value) for name, value in values.items()}


def _effect(instruction: list[Any]) -> str | None:
    kind, *operands = instruction
    return operands[0] if kind == "effect" else "exec" if kind == "exec" else None
