"""The instructions that stop a fibre: errors, effects and parallels, handed to the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codeai.dsl import operators
from codeai.dsl.binding import Binding, Step
from codeai.dsl.faults import Fault, type_fault
from codeai.dsl.opcodes import NOWHERE
from codeai.dsl.running import STOP, Slots, Why
from codeai.dsl.values import (
    ErrorValue,
    SecretHandle,
    shown,
)


def fail(binding: Binding, pc: int, words: list[Any]) -> Step:
    run = binding.run(pc, words)

    def fail(slots: Slots) -> int:
        value = run(slots)
        if isinstance(value, ErrorValue):
            raise Fault(value.kind, value.message, value.line, value)
        raise Fault("failed", shown(value))

    return fail


def _asks(binding: Binding, pc: int, slot: int, why: Why, given: Callable[[Slots], Any]) -> Step:
    """Stops with what `given` gathers for the machine."""
    binding.links[pc] = (binding.target(pc + 1), slot, binding.enter[pc + 1])

    def ask(slots: Slots) -> int:
        running = slots[0]
        running.given = given(slots)
        running.pc, running.slots, running.why = pc, slots, why
        return STOP

    return ask


def _named(binding: Binding, pc: int, arguments: list[list[Any]]) -> Callable[[Slots], dict[str, Any]]:
    runs = [(name, binding.run(pc, words)) for name, words in arguments]
    return lambda slots: {name: run(slots) for name, run in runs}


def effect(binding: Binding, pc: int, name: str, arguments: list[list[Any]], slot: int) -> Step:
    gather = _named(binding, pc, arguments)
    if name != "secret":
        return _asks(binding, pc, slot, Why.EFFECT, gather)
    after, after_cost = binding.target(pc + 1), binding.enter[pc + 1]

    def handle(slots: Slots) -> int:
        name = operators.as_string(gather(slots)["name"])
        if not name:
            raise type_fault("secret takes the name of a secret")
        slots[0].spent += after_cost
        if slot != NOWHERE:
            slots[0].store(slots, slot, SecretHandle((("secret", name),)), pc, True)
        return after

    return handle


def exec_(
    binding: Binding,
    pc: int,
    _text: str,
    options: list[list[Any]],
    _mentions: list[Any],
    undo: list[Any] | None,
    _assigned: str | None,
    slot: int,
) -> Step:
    own = _named(binding, pc, options)
    others = _named(binding, pc, undo[2] if undo else [])
    return _asks(binding, pc, slot, Why.EFFECT, lambda slots: {"options": own(slots), "undo": others(slots)})


def parallel(
    binding: Binding,
    pc: int,
    words: list[Any],
    options: list[list[Any]],
    _name: int,
    target: int,
    slot: int,
) -> Step:
    gather, items = _named(binding, pc, options), binding.run(pc, words)
    ask = _asks(binding, pc, slot, Why.PARALLEL, lambda slots: (gather(slots), items(slots)))
    binding.links[pc] = (binding.target(target), slot, binding.enter[target])
    return ask
