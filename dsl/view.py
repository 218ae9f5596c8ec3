"""Where a run stands, for people: its fibres with line and variables, what it waits for, what could be undone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from codeai.dsl.brief import brief
from codeai.dsl.diagnostics import Source
from codeai.dsl.fibres import Fibre, State, all_fibres
from codeai.dsl.opcodes import FIRST
from codeai.dsl.program import Code
from codeai.dsl.requests import Request
from codeai.dsl.running import UNSET, Slots

CAN = ("retry", "skip", "set", "patch", "rollback", "abort")
"""What can be said to a parked fibre."""
LONGEST = 10_000
"""About how many characters of a variable are shown."""


def view_of(code: Code, state: State, pending: Iterable[Request], instructions: int) -> dict[str, Any]:
    """Plain JSON data; secrets are `***`, large values are cut."""
    return {
        "fibres": [_fibre(code, fibre) for fibre in all_fibres(state.main)],
        "pending": [_pending(request) for request in pending],
        "undo": list(state.undo),
        "instructions": instructions,
    }


def with_source(view: dict[str, Any], source: Source) -> dict[str, Any]:
    """A view in which the text of each line stands beside its number."""

    def told(place: dict[str, Any]) -> dict[str, Any]:
        return {"line": place["line"], "source": source.line(place["line"]).strip(), **place}

    fibres = [
        {**told(fibre), "calls": [told(call) for call in fibre["calls"]]} for fibre in view.get("fibres", ())
    ]
    return {**view, "fibres": fibres, "pending": [told(one) for one in view.get("pending", ())]}


def _fibre(code: Code, fibre: Fibre) -> dict[str, Any]:
    """Where a fibre stands with the variables there, who called it (the program first), what it waits for. Its
    parent's variables stand with its parent."""
    frames = [(frame, pc) for frame, pc, _ in fibre.stack] + [(fibre.slots, fibre.pc)]
    *calls, here = (
        _frame(code, slots, pc, FIRST + (fibre.level if at == 0 else 0))
        for at, (slots, pc) in enumerate(frames)
    )
    waits = "step" if fibre.step else "fibres" if fibre.children else None
    if fibre.parked is None or fibre.dying:
        return {"fibre": fibre.number, **here, "calls": calls, "waits": waits}
    error = {"error": brief(fibre.parked, LONGEST)}
    return {"fibre": fibre.number, **here, "calls": calls, "waits": "parked", **error, "can": list(CAN)}


def _frame(code: Code, slots: Slots, pc: int, first: int) -> dict[str, Any]:
    variables = {
        name: brief(slots[slot], LONGEST)
        for slot, name, begin, end in code.names
        if begin <= pc < end and slot >= first and slots[slot] is not UNSET
    }
    unit = max((unit for unit in code.units if unit.entry <= pc), key=lambda unit: unit.entry)
    return {"line": code.lines[pc], "function": unit.name or None, "variables": variables}


def _pending(request: Request) -> dict[str, Any]:
    """An effect that is not answered yet, with what it was given."""
    shown: dict[str, Any] = {
        "step": request.step,
        "fibre": request.fibre,
        "effect": request.effect,
        "line": request.line,
    }
    if request.text is not None:
        shown["text"] = brief(request.text)
    given = {name: brief(value) for name, value in request.arguments.items() if value is not None}
    return {**shown, "arguments": given}
