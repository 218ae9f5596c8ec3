"""A plan as plain JSON data: the tree of its entries and what a run needs. Its names are stable.

Every entry has its `kind` (the row of the table below) and `line`. A value is `{value, known}`: shortened, and where
it is not known with what only a run can know between angle brackets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from codeai.dsl.plan import Plan
from codeai.dsl.plan_entries import (
    Again,
    Choice,
    Command,
    Effect,
    Entry,
    Failure,
    Leave,
    Loop,
    Parallel,
    Shown,
    Try,
    Undo,
)


def to_json(plan: Plan) -> dict[str, Any]:
    """`{missing_inputs, entries, fails, undo, needs, cut}`."""
    needs = plan.needs
    return {
        "missing_inputs": list(plan.missing),
        "entries": _entries(plan.entries),
        "fails": plan.fails,
        "undo": [
            {"line": one.line, "text": one.text, "variables": _values(one.variables)} for one in plan.undo
        ],
        "needs": {
            "permissions": list(needs.permissions),
            "secrets": _named(needs.secrets),
            "queues": _named(needs.queues),
            "configs": _named(needs.configs),
            "approvals": [
                {"line": one.line, "text": _value(one.text), "role": _maybe(one.role)}
                for one in needs.approvals
            ],
        },
        "cut": plan.cut,
    }


def _entries(entries: list[Entry]) -> list[dict[str, Any]]:
    made = []
    for entry in entries:
        kind, fields = KINDS[type(entry)]
        made.append({"kind": kind, "line": entry.line, **fields(entry)})
    return made


def _command(entry: Command) -> dict[str, Any]:
    undo = None if entry.undo is None else {"line": entry.undo.line, **_shell(entry.undo)}
    return {"calls": list(entry.calls), **_shell(entry), "undo": undo}


def _shell(entry: Command | Undo) -> dict[str, Any]:
    return {
        "text": entry.text,
        "variables": _values(entry.variables),
        "options": _values(entry.options),
    }


def _effect(entry: Effect) -> dict[str, Any]:
    return {"calls": list(entry.calls), "effect": entry.effect, "arguments": _values(entry.arguments)}


def _choice(entry: Choice) -> dict[str, Any]:
    return {"arms": [{"when": arm.when, "entries": _entries(arm.entries)} for arm in entry.arms]}


def _loop(entry: Loop) -> dict[str, Any]:
    return {"head": entry.head, "endless": entry.endless, "entries": _entries(entry.entries)}


def _parallel(entry: Parallel) -> dict[str, Any]:
    return {
        "name": entry.name,
        "limit": _value(entry.limit),
        "on_error": _value(entry.on_error),
        "over": entry.over,
        "fibres": [{"item": _value(one.item), "entries": _entries(one.entries)} for one in entry.fibres],
    }


def _try(entry: Try) -> dict[str, Any]:
    return {
        "entries": _entries(entry.entries),
        "name": entry.name,
        "certain": entry.certain,
        "failure": entry.failure,
        "handler": _entries(entry.handler),
    }


def _value(value: Shown) -> dict[str, Any]:
    return {"value": value.value, "known": value.known}


def _maybe(value: Shown | None) -> dict[str, Any] | None:
    return None if value is None else _value(value)


def _values(values: Mapping[str, Shown]) -> dict[str, Any]:
    return {name: _value(value) for name, value in values.items()}


def _named(found: Mapping[str, list[int]]) -> list[dict[str, Any]]:
    return [{"name": name, "lines": lines} for name, lines in found.items()]


KINDS: dict[type, tuple[str, Callable[[Any], dict[str, Any]]]] = {
    Command: ("exec", _command),
    Effect: ("effect", _effect),
    Choice: ("if", _choice),
    Loop: ("loop", _loop),
    Parallel: ("parallel", _parallel),
    Try: ("try", _try),
    Leave: ("leave", lambda entry: {"word": entry.word, "value": _maybe(entry.value)}),
    Failure: ("failure", lambda entry: {"error": entry.kind, "message": entry.message}),
    Again: ("again", lambda entry: {"function": entry.function}),
}
"""The `kind` of each sort of entry, and its fields."""
