"""The trace of a run: what ran with which values, found out by running its machine again on what was recorded.

Nothing of a trace is stored: a window of it is made when it is asked for. Its entries are numbered from 1 on; a
window that is counted from the end, or around an error, takes a first run that only counts. Undo blocks are no part
of the program's own way: they follow its end, as their steps' rows have them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from codeai.dsl.journal import Round, inputs_of, replay
from codeai.dsl.program import Code
from codeai.dsl.requests import EffectResult
from codeai.dsl.trace_entries import Entry, Reached, Recorder, UndoBlock
from codeai.dsl.trace_machine import Traced
from codeai.dsl.trace_steps import Watched

MOST_ENTRIES = 1000
MOST_WORK = 25_000_000
"""Instructions that a trace runs through, some seconds of work; an effect counts as many."""
EFFECT_WORK = 150


def _not_kept(_: str) -> Code:
    raise ValueError("a program with which the run went on is not kept")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was kept of a run: from its start with `inputs`, or from where a checkpoint's `state` stands. `code_of` the
    hash of a program with which it went on raises ValueError where that is not kept. `blocks` are the undo blocks that
    have begun, in their order."""

    code: Code
    journals: Sequence[list[Round]]
    result_of: Callable[[int], EffectResult | None]
    inputs: Mapping[str, Any]
    state: dict[str, Any] | None = None
    code_of: Callable[[str], Code] = field(default=_not_kept)
    blocks: Sequence[UndoBlock] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """Which entries: `limit` of them from number `first` on (below zero: from the end), around the last error, or
    the one `at` a number, with everything that could be seen there."""

    first: int = 1
    limit: int = 200
    around_error: bool = False
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """`total` entries are known, `complete` says whether the program's end is among them, `cut` why there are no more.
    `view` is what could be seen right behind the entry that `at` named; `programs` are the hashes of those with which
    the run went on, each with the number of its first entry."""

    entries: tuple[Entry, ...]
    total: int
    complete: bool
    cut: str | None = None
    view: dict[str, Any] | None = None
    programs: tuple[tuple[int, str], ...] = ()

    def program_at(self, entry: Entry) -> str | None:
        """The hash of the program that the run had at an entry, None for the first one. (The line of an undo block is
        of the program that began the step which it undoes.)"""
        return next((hash for first, hash in reversed(self.programs) if first <= entry.index), None)


@dataclass(slots=True)
class _Pass:
    """One run through what was recorded."""

    recorder: Recorder
    complete: bool = False
    cut: str | None = None
    view: dict[str, Any] | None = None
    programs: list[tuple[int, str]] = field(default_factory=list)


def trace(recorded: Recorded, window: Window) -> Trace:
    """The entries of a window."""
    limit = max(1, min(window.limit, MOST_ENTRIES))
    first = window.first if window.at is None else window.at
    counted = None
    if first < 0 or window.around_error:
        counted = _run(recorded, Recorder())
        end = counted.recorder.count
        if window.around_error:
            error = counted.recorder.last_error or counted.recorder.last_caught or end
            first = error - limit * 3 // 4
        else:
            first += end + 1
    first = max(1, first)
    if window.at is not None:
        done = _run(recorded, Recorder(first, 1, wanted=first))
    else:
        done = _run(recorded, Recorder(first, limit))
    known = counted or done
    entries = tuple(done.recorder.in_order())
    count, programs = known.recorder.count, tuple(done.programs)
    return Trace(entries, count, known.complete, known.cut, done.view, programs)


def _run(recorded: Recorded, recorder: Recorder) -> _Pass:
    done = _Pass(recorder)
    missing: list[int] = []

    def result_of(step: int) -> EffectResult | None:
        found = recorded.result_of(step)
        if found is None:
            missing.append(step)
        return found

    def program_of(hash: str) -> Watched:
        done.programs.append((recorder.count + 1, hash))
        return Watched(recorded.code_of(hash), recorder)

    program = Watched(recorded.code, recorder)
    machine: Traced | None = None
    try:
        machine = _started(program, recorded)
        if recorded.state is None:
            machine.note_inputs()
        begun = machine.instructions + EFFECT_WORK * machine.steps
        for rounds in recorded.journals:
            for _ in replay(machine, rounds, result_of, program_of):
                if machine.instructions + EFFECT_WORK * machine.steps - begun > MOST_WORK:
                    done.cut = f"the run is longer: a trace looks at {MOST_WORK:,} instructions"
                    return done
            if missing:
                done.cut = f"the result of step {missing[0]} is not written yet, or not kept"
                return done
        done.complete = machine.is_over
        if done.complete:
            machine.note_undo(recorded.blocks)
    except Reached:
        assert machine is not None
        done.view = machine.view()
    except ValueError as error:
        done.cut = f"what was recorded does not fit this build: {' '.join(str(error).split())}"
    return done


def _started(program: Watched, recorded: Recorded) -> Traced:
    """The machine where the first journal begins.

    Raises:
        ValueError: the state was written by a newer build.
    """
    if recorded.state is not None:
        return Traced.resume(program, recorded.state)
    inputs = inputs_of(recorded.journals[0]) if recorded.journals else None
    return Traced.start(program, recorded.inputs if inputs is None else inputs)
