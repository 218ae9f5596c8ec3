"""What a plan consists of: an entry for everything that a run would do, in order, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Shown:
    """A value for people, shortened. Of one that is not `known` the parts that only a run can know stand between
    angle brackets."""

    value: Any
    known: bool = True


@dataclass(frozen=True, slots=True)
class Undo:
    """The compensation of a command, with the variables that reach it by mention."""

    line: int
    text: str
    variables: dict[str, Shown]
    options: dict[str, Shown]


@dataclass(frozen=True, slots=True)
class Command:
    """A command, with the variables that reach it by mention and the options that are not the default's. `calls` are
    the lines of the calls that lead to it."""

    line: int
    calls: tuple[int, ...]
    text: str
    variables: dict[str, Shown]
    options: dict[str, Shown]
    undo: Undo | None


@dataclass(frozen=True, slots=True)
class Effect:
    """Any other effect, with what it is given."""

    line: int
    calls: tuple[int, ...]
    effect: str
    arguments: dict[str, Shown]


@dataclass(slots=True)
class Arm:
    """What happens where `when` turns out to be true; None: where nothing before it does."""

    when: str | None
    entries: list[Entry] = field(default_factory=list)


@dataclass(slots=True)
class Choice:
    """A condition that only a run can decide: one of the arms happens. They meet again at `join`."""

    line: int
    join: int
    arms: list[Arm]


@dataclass(slots=True)
class Loop:
    """A loop that goes round nobody knows how often. `head` is such as `while <…>`; an `endless` one ends only by
    what is in it."""

    line: int
    head: str
    endless: bool = False
    entries: list[Entry] = field(default_factory=list)


@dataclass(slots=True)
class Fibre:
    """One iteration of a parallel."""

    item: Shown
    entries: list[Entry] = field(default_factory=list)


@dataclass(slots=True)
class Parallel:
    """Iterations at the same time. `over` is what they walk, where that is unknown and one stands for all."""

    line: int
    name: str
    limit: Shown
    on_error: Shown
    over: str | None
    fibres: list[Fibre] = field(default_factory=list)


@dataclass(slots=True)
class Try:
    """What can fail, and what happens then. It is `certain` that it fails where every way ends with an error;
    `failure` says how, where that is known."""

    line: int
    name: str
    entries: list[Entry] = field(default_factory=list)
    certain: bool = False
    failure: str | None = None
    handler: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Leave:
    """`word` is `return` (of the program, or where it is not certain), `break` or `continue`."""

    line: int
    word: str
    value: Shown | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """What would certainly fail here. `kind` is None for an error that was caught and is passed on."""

    line: int
    kind: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Again:
    """A function calls itself as often as only a run can know: it is not shown again."""

    line: int
    function: str


Entry: TypeAlias = "Command | Effect | Choice | Loop | Parallel | Try | Leave | Failure | Again"


def inner(entry: Entry) -> list[list[Entry]]:
    """The lists of entries in an entry, in order."""
    if isinstance(entry, Choice):
        return [arm.entries for arm in entry.arms]
    if isinstance(entry, Parallel):
        return [fibre.entries for fibre in entry.fibres]
    if isinstance(entry, Try):
        return [entry.entries, entry.handler]
    return [entry.entries] if isinstance(entry, Loop) else []
