"""Runs programs without a platform: effects are answered by a function of the request."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from codeai.dsl.bind import Bound, bind
from codeai.dsl.compile import compile_source
from codeai.dsl.machine import Machine
from codeai.dsl.program import pack, unpack
from codeai.dsl.requests import Asking, EffectResult, Failed, Finished, Request, Sliced
from codeai.dsl.values import ErrorValue, ExecValue, to_result

Answer = Callable[[Request], EffectResult]


@dataclass
class Run:
    """What became of a run: everything that can be seen from outside."""

    result: Any = None
    error: ErrorValue | None = None
    requests: list[Request] = field(default_factory=list)
    withdrawn: list[int] = field(default_factory=list)
    slices: int = 0
    instructions: int = 0
    undo_stack: tuple[int, ...] = ()
    largest_state: int = 0

    def seen(self) -> Any:
        error = to_result(self.error) if self.error else None
        asked = [repr_of(request) for request in self.requests]
        return (self.result, error, asked, self.withdrawn, self.slices, self.instructions, self.undo_stack)


def repr_of(request: Request) -> Any:
    undo = request.undo
    return (
        request.step,
        request.effect,
        request.line,
        request.fibre,
        to_result(request.arguments),
        request.text,
        to_result(request.variables),
        undo and (undo.line, undo.text, to_result(undo.variables), to_result(undo.arguments)),
        request.assigned,
    )


def program(source: str) -> Bound:
    """The program as a worker gets it: compiled, packed, unpacked, bound."""
    compiled = compile_source(source)
    assert compiled.code is not None, compiled.diagnostics
    return bind(unpack(pack(compiled.code)))


def echo(request: Request) -> EffectResult:
    """An exec that prints its text with variables filled in: `exit N` at its end is its exit code."""
    if request.effect != "exec":
        return EffectResult({"now": 1700000000.5, "uuid": "u-1", "random": 0.25}.get(request.effect))
    text = request.text or ""
    for name, value in request.variables.items():
        text = text.replace("$" + name, str(to_result(value)))
    text, _, code = text.strip().partition("exit ")
    return EffectResult(ExecValue(text.removeprefix("echo ").strip(), "", int(code or 0)))


def run(
    source: str | Bound,
    inputs: dict[str, Any] | None = None,
    answer: Answer = echo,
    restored: bool = False,
    last_first: bool = False,
) -> Run:
    """Runs to the end. `restored`: the machine is stored and made again before every step; `last_first`:
    requests are answered in reverse."""
    bound = source if isinstance(source, Bound) else program(source)
    machine = Machine.start(bound, inputs or {})
    seen = Run()

    def stored(machine: Machine) -> Machine:
        text = json.dumps(machine.state())
        seen.largest_state = max(seen.largest_state, len(text))
        if not restored:
            return machine
        again = Machine.resume(bound, json.loads(text))
        assert json.dumps(again.state()) == text
        assert {step: repr_of(one) for step, one in again.pending.items()} == {
            step: repr_of(one) for step, one in machine.pending.items()
        }
        return again

    while True:
        machine = stored(machine)
        outcome = machine.advance()
        machine = stored(machine)
        if isinstance(outcome, Finished | Failed):
            seen.instructions, seen.undo_stack = machine.instructions, machine.undo_stack
            if isinstance(outcome, Finished):
                seen.result = to_result(outcome.value)
            else:
                seen.error = outcome.error
            return seen
        if isinstance(outcome, Sliced):
            seen.slices += 1
            continue
        assert isinstance(outcome, Asking)
        seen.requests += outcome.requests
        seen.withdrawn += outcome.withdrawn
        if machine.runnable:
            continue
        for request in sorted(machine.pending.values(), key=lambda one: one.step, reverse=last_first):
            if request.step not in machine.pending:
                continue
            result = answer(request)
            if request.step in seen.withdrawn:
                result = EffectResult(error=ErrorValue("cancelled", "cancelled"))
            machine.answer(request.step, result)
            machine = stored(machine) if restored else machine
