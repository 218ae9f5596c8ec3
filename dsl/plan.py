"""What a run of a program would do, found out without a run: nothing here can execute anything.

The program is compiled and bound as for a run (`plan_bind.py`) and followed from its start (`plan_walk.py`). An
effect becomes an entry, its result an unknown. What depends on no unknown is computed by the language itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from codeai.dsl.fragments import drive
from codeai.dsl.plan_bind import Planned
from codeai.dsl.plan_entries import Choice, Command, Effect, Entry, Loop, Shown, inner
from codeai.dsl.plan_steps import Cut
from codeai.dsl.plan_walk import Walk
from codeai.dsl.plan_ways import Exits, Failures
from codeai.dsl.program import Code

USE_SECRETS = "secrets:use"


@dataclass(frozen=True, slots=True)
class Approval:
    """A decision that a run waits for."""

    line: int
    text: Shown
    role: Shown | None


@dataclass(frozen=True, slots=True)
class Needs:
    """What has to be there for a run: each name with the lines that need it."""

    permissions: tuple[str, ...]
    secrets: dict[str, list[int]]
    queues: dict[str, list[int]]
    configs: dict[str, list[int]]
    approvals: list[Approval]


@dataclass(frozen=True, slots=True)
class Undone:
    """A compensation that runs after a failure: an undo block, or that of a child's run."""

    line: int
    text: str
    variables: dict[str, Shown]


@dataclass(frozen=True, slots=True)
class Plan:
    """`missing` are the inputs that a run still needs; every way `fails`, or not; `undo` is what an error at the
    end undoes, last first; `cut` says why the plan is not complete."""

    missing: tuple[str, ...]
    entries: list[Entry]
    fails: bool
    undo: list[Undone]
    needs: Needs
    cut: str | None


def plan(code: Code, inputs: Mapping[str, Any], permissions: Iterable[str] = ()) -> Plan:
    """The plan of a program with inputs that were checked (`inputs.py`); required ones may be missing.
    `permissions` are those that starting it needs. Never fails, and never takes long: it is cut instead."""
    walk = Walk(Planned(code))
    missing = tuple(param.name for param in code.params if param.required and param.name not in inputs)
    way = walk.start(inputs)
    exits = Exits(Failures(), way.place, is_program=True)
    cut = None
    try:
        drive(walk.walk(way, -1, exits))
    except Cut as why:
        cut = str(why)
    entries = _tidied(exits.place.entries)
    flat = list(_flat(entries))
    fails = cut is None and bool(exits.failures.errors) and not exits.returns
    return Plan(missing, entries, fails, list(_undone(flat)), _needs(flat, walk.secrets, permissions), cut)


def _tidied(entries: list[Entry]) -> list[Entry]:
    """Without blocks in which nothing happens."""
    made: list[Entry] = []
    for entry in entries:
        for part in inner(entry):
            part[:] = _tidied(part)
        if isinstance(entry, Choice) and not entry.arms[-1].entries:
            entry.arms.pop()
        endless = isinstance(entry, Loop) and entry.endless
        if not inner(entry) or any(inner(entry)) or endless:
            made.append(entry)
    return made


def _flat(entries: list[Entry]) -> Iterator[Entry]:
    for entry in entries:
        yield entry
        for part in inner(entry):
            yield from _flat(part)


def _undone(flat: list[Entry]) -> Iterator[Undone]:
    for entry in reversed(flat):
        if isinstance(entry, Command) and entry.undo is not None:
            yield Undone(entry.undo.line, entry.undo.text, entry.undo.variables)
        elif isinstance(entry, Effect) and entry.effect == "run":
            yield Undone(entry.line, f"what the run of {entry.arguments['config'].value} did", {})


def _needs(flat: list[Entry], secrets: dict[str, list[int]], permissions: Iterable[str]) -> Needs:
    queues: dict[str, list[int]] = {}
    configs: dict[str, list[int]] = {}
    approvals: list[Approval] = []
    for entry in flat:
        if isinstance(entry, Command):
            _named(queues, entry.options.get("queue"), entry.line)
        elif isinstance(entry, Effect):
            given = entry.arguments
            _named(queues, given.get("queue"), entry.line)
            if entry.effect == "run":
                _named(configs, given["config"], entry.line)
            elif entry.effect == "approve":
                approvals.append(Approval(entry.line, given["text"], given.get("role")))
    needed = (*permissions, *((USE_SECRETS,) if secrets else ()))
    return Needs(
        needed, {name: sorted(set(lines)) for name, lines in secrets.items()}, queues, configs, approvals
    )


def _named(found: dict[str, list[int]], value: Shown | None, line: int) -> None:
    if value is not None:
        lines = found.setdefault(str(value.value), [])
        if line not in lines:
            lines.append(line)
