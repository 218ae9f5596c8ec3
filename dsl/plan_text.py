"""A plan for people: a line for everything that would happen, then what a run needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from codeai.dsl.effects import EFFECTS
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
)
from codeai.dsl.values import HIDDEN

Line: TypeAlias = tuple[int | None, int, str]
"""The number of a line of the program, how deep it stands, and the text."""

_CALLS = 5
_ONCE = "  (shown once)"


def render(plan: Plan) -> str:
    """The whole plan; control characters in it are whoever's prints it."""
    lines = list(_entries(plan.entries, 0))
    width = max((len(str(number)) for number, _, _ in lines if number is not None), default=1) + 2
    made = [f"{number or '':>{width}}  {'    ' * depth}{text}".rstrip() for number, depth, text in lines]
    if not lines:
        made.append("nothing is asked of the world")
    if plan.cut is not None:
        made += ["", f"the plan ends here: {plan.cut}"]
    return "\n".join([*made, *_summary(plan)]) + "\n"


def _entries(entries: list[Entry], depth: int) -> Iterator[Line]:
    for entry in entries:
        yield from _FORMS[type(entry)](entry, depth)


def _arm(entries: list[Entry], depth: int) -> Iterator[Line]:
    yield from _entries(entries, depth) if entries else [(None, depth, "nothing")]


# What happens


def _command(entry: Command, depth: int) -> Iterator[Line]:
    yield entry.line, depth, f"exec{_options(entry.options)}{_called(entry.calls)}"
    yield from _shell(entry.text, entry.variables, depth + 1)
    undo = entry.undo
    if undo is not None:
        yield undo.line, depth + 1, f"undo{_options(undo.options)}"
        others = {name: value for name, value in undo.variables.items() if entry.variables.get(name) != value}
        yield from _shell(undo.text, others, depth + 2)


def _shell(text: str, variables: Mapping[str, Shown], depth: int) -> Iterator[Line]:
    for line in text.strip("\n").split("\n"):
        yield None, depth, f"| {line}".rstrip()
    for name, value in variables.items():
        yield None, depth, f"{name} = {told(value)}"


def _effect(entry: Effect, depth: int) -> Iterator[Line]:
    by_place = [option.name for option in EFFECTS[entry.effect].options][: EFFECTS[entry.effect].positional]
    words = [entry.effect, *(told(entry.arguments[name]) for name in by_place if name in entry.arguments)]
    named = {name: value for name, value in entry.arguments.items() if name not in by_place}
    yield entry.line, depth, f"{' '.join(words)}{_options(named)}{_called(entry.calls)}"


def _options(given: Mapping[str, Shown]) -> str:
    text = ", ".join(f"{name}: {told(value)}" for name, value in given.items())
    return f" ({text})" if text else ""


def _called(calls: tuple[int, ...]) -> str:
    lines = ", ".join(str(line) for line in calls[: -_CALLS - 1 : -1])
    more = ", …" if len(calls) > _CALLS else ""
    return f"  [called in line{'s' if len(calls) > 1 else ''} {lines}{more}]" if calls else ""


def told(value: Shown) -> str:
    """A value in a line: as in a program, but unknowns and secrets as they are."""
    text = value.value
    if text == HIDDEN or (not value.known and isinstance(text, str) and _is_whole(text)):
        return str(text)
    return json.dumps(text, ensure_ascii=False)


def _is_whole(text: str) -> bool:
    return text.startswith("<") and text.find(">") == len(text) - 1


# Blocks


def _choice(entry: Choice, depth: int) -> Iterator[Line]:
    word = "if"
    for number, arm in enumerate(entry.arms):
        yield (
            None if number else entry.line,
            depth,
            "else" if arm.when is None else f"{word} {arm.when}",
        )
        yield from _arm(arm.entries, depth + 1)
        word = "else if"


def _loop(entry: Loop, depth: int) -> Iterator[Line]:
    how = "  (for ever, unless something in it ends it)" if entry.endless else _ONCE
    yield entry.line, depth, entry.head + how
    yield from _arm(entry.entries, depth + 1)


def _parallel(entry: Parallel, depth: int) -> Iterator[Line]:
    how = f", at most {told(entry.limit)} at a time"
    if entry.on_error.value != "stop":
        how += f", on error {told(entry.on_error)}"
    if entry.over is not None:
        yield entry.line, depth, f"parallel for {entry.name} in {entry.over}{how}{_ONCE}"
        yield from _arm(entry.fibres[0].entries, depth + 1)
        return
    yield entry.line, depth, f"parallel for {entry.name}{how}"
    for fibre in entry.fibres:
        yield None, depth + 1, f"{entry.name} = {told(fibre.item)}"
        yield from _arm(fibre.entries, depth + 2)


def _try(entry: Try, depth: int) -> Iterator[Line]:
    yield None, depth, "try"
    yield from _arm(entry.entries, depth + 1)
    yield None, depth, f"catch {entry.name}" + ("" if entry.certain else ", if something there fails")
    yield from _arm(entry.handler, depth + 1)


# What ends something


def _leave(entry: Leave, depth: int) -> Iterator[Line]:
    yield entry.line, depth, entry.word + (f" {told(entry.value)}" if entry.value else "")


def _failure(entry: Failure, depth: int) -> Iterator[Line]:
    kind = f"{entry.kind}: " if entry.kind else ""
    yield entry.line, depth, f"would fail: {kind}{_one_line(entry.message)} (line {entry.line})"


def _again(entry: Again, depth: int) -> Iterator[Line]:
    yield entry.line, depth, f"{entry.function}() calls itself, as often as only a run can know{_ONCE}"


def _one_line(text: str) -> str:
    return text.replace("\n", "\\n")


_FORMS: dict[type[Any], Callable[[Any, int], Iterator[Line]]] = {
    Command: _command,
    Effect: _effect,
    Choice: _choice,
    Loop: _loop,
    Parallel: _parallel,
    Try: _try,
    Leave: _leave,
    Failure: _failure,
    Again: _again,
}


# The summary


def _summary(plan: Plan) -> Iterator[str]:
    if plan.undo:
        when = "then this is undone" if plan.fails else "if it fails after all that, this is undone"
        yield f"\n{when}, last first:"
        for undone in plan.undo:
            given = ", ".join(f"{name} = {told(value)}" for name, value in undone.variables.items())
            yield f"  line {undone.line}: {_one_line(undone.text.strip())}{given and f'  ({given})'}"
    needs = plan.needs
    rows = {
        "inputs": ", ".join(plan.missing),
        "permissions": ", ".join(needs.permissions),
        "secrets": _names(needs.secrets),
        "queues": _names(needs.queues),
        "configs": _names(needs.configs),
    }
    rows = {name: text for name, text in rows.items() if text}
    if rows or needs.approvals:
        yield "\na run needs:"
    for name, text in rows.items():
        yield f"  {name:<11}  {text}"
    for approval in needs.approvals:
        role = f", by role {told(approval.role)}" if approval.role else ""
        yield f"  {'approval':<11}  {told(approval.text)}{role} (line {approval.line})"


def _names(found: Mapping[str, list[int]]) -> str:
    return ", ".join(
        f"{name} (line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines))})"
        for name, lines in found.items()
    )
