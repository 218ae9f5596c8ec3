"""What a trace is made of: entries, each one thing that a run did, and the recorder that counts and keeps them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from codeai.dsl.diagnostics import Source
from codeai.dsl.fibres import Fibre
from codeai.dsl.running import STOP, UNSET, Slots

KINDS: dict[str, str] = {
    "input": "an input was given",
    "assign": "a statement gave a variable its value",
    "branch": "a condition was true or false (`taken`)",
    "loop": "a loop went on with the next item, or ended (`taken` is false)",
    "evaluate": "an expression was evaluated whose value nobody wants",
    "call": "a function was called; its parameters have their values",
    "return": "a function, a fibre or the program returned a value",
    "ask": "an effect began: a command or a call, with what it was given",
    "answer": "an effect ended with a value or an error",
    "parallel": "a `parallel for` began",
    "begin": "a fibre began with its item",
    "join": "all fibres of a `parallel for` have ended",
    "caught": "an error was raised here, and a `try` caught it",
    "error": "an error was raised here, and no `try` caught it",
    "retry": "a person had the failed statement done again",
    "skip": "a person had a parked fibre go on behind its failed statement, with `value`",
    "set": "a person gave a variable another value",
    "give_up": "a parked run was ended: by `rollback` or `abort`, or because nobody came in time",
    "patch": "the program was changed by a person; from here on it is the new one",
    "cancel": "the run was cancelled",
    "cancelled": "a fibre was ended before its time",
    "undo": "a block of the undo stack ran; without `exit_code`, `value` and `error` it still does",
}
"""The kinds of entries (★)."""

NEVER = 1 << 60


@dataclass(frozen=True, slots=True)
class Change:
    """A variable that a statement changed, as people see it. UNSET before: it had no value."""

    name: str
    before: Any
    after: Any

    def to_json(self) -> dict[str, Any]:
        before = {} if self.before is UNSET else {"before": self.before}
        return {"name": self.name, **before, "after": self.after}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened, by number from 1. `name` is that of the function or effect, `text` a command's;
    `arguments` are what an effect was given, `variables` those that its text mentions; `undoes` is the step that an
    undo block undoes."""

    index: int
    kind: str
    fibre: int
    line: int
    step: int | None = None
    undoes: int | None = None
    name: str | None = None
    text: str | None = None
    arguments: dict[str, Any] | None = None
    variables: dict[str, Any] | None = None
    taken: bool | None = None
    exit_code: int | None = None
    value: Any = UNSET
    error: dict[str, Any] | None = None
    changed: tuple[Change, ...] = ()

    def to_json(self, source: Source) -> dict[str, Any]:
        """The entry with the text of its line; what it does not have is left out."""
        plain: dict[str, Any] = {}
        for field in fields(self):
            found = getattr(self, field.name)
            if found is not UNSET and (found is not None or field.name == "value"):
                plain[field.name] = found
            if field.name == "line":
                plain["source"] = source.line(self.line)
        plain["changed"] = [one.to_json() for one in self.changed]
        return plain


@dataclass(frozen=True, slots=True)
class UndoBlock:
    """A block of the undo stack that has begun, as the step `step`, as people may see it: what it was given and how it
    ended, with neither `exit_code`, `value` nor `error` while it runs. That of a `run` has no text, it compensates the
    child."""

    step: int
    undoes: int
    line: int
    name: str = "exec"
    text: str | None = None
    arguments: dict[str, Any] | None = None
    variables: dict[str, Any] | None = None
    exit_code: int | None = None
    value: Any = UNSET
    error: dict[str, Any] | None = None


class Reached(Exception):
    """The run stands right behind the entry that was looked for."""


class Recorder:
    """Counts what happens and keeps the entries from `first` on, at most `limit`. At the entry `wanted` it stops the
    run (Reached). Up to number `quiet` entries are only counted."""

    def __init__(self, first: int = NEVER, limit: int = 0, wanted: int = 0) -> None:
        self.count = 0
        self.quiet = first - 1
        self.entries: list[Entry] = []
        self.last_error = 0
        self.last_caught = 0
        self.fibre: Fibre
        self._last = first + limit - 1
        self._wanted = wanted

    def begin(self) -> int:
        """One more entry: its number, 0 where it is only counted."""
        self.count += 1
        if self.count <= self.quiet:
            return 0
        if self.count >= self._last:
            self.quiet = NEVER
        return self.count

    def keep(self, entry: Entry, slots: Slots | None = None, after: int = STOP) -> None:
        """Keeps an entry. The fibre stands before the instruction `after` of the frame `slots` (below zero: of the
        frame that it changed to), if it is running.

        Raises:
            Reached: this was the entry that was looked for.
        """
        self.entries.append(entry)
        if entry.index == self._wanted:
            if slots is not None and after != STOP:
                fibre = self.fibre
                fibre.slots, fibre.pc = (slots, after) if after >= 0 else (slots[0].slots, ~after)
            raise Reached

    def in_order(self) -> list[Entry]:
        return sorted(self.entries, key=lambda entry: entry.index)
