"""The whole state of a run as plain JSON data, and back.

A frame is [instruction, variables, temporaries] without the places that are empty at its end; a fibre's first
frame has only its own variables: the others are its parent's, which waits. A request that is not answered yet
is kept by what it was given: the rest of it is made again.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from codeai.dsl.bind import Bound
from codeai.dsl.fibres import Fibre, Group, State, all_fibres
from codeai.dsl.opcodes import FIRST
from codeai.dsl.ran import to_text
from codeai.dsl.requests import Failed, Finished
from codeai.dsl.running import UNSET, Running, Slots
from codeai.dsl.stored import decode, encode
from codeai.dsl.values import ErrorValue, size_of

VERSION = 1
_EMPTY = {"$": 0}


def to_plain(state: State, running: Running) -> dict[str, Any]:
    """Plain JSON data from which `from_plain` makes the same run."""
    program = running.program
    return {
        "version": VERSION,
        "spent": running.spent,
        "since": running.since,
        "ran": to_text(running.ran),
        "steps": state.steps,
        "fibres": state.fibres,
        "main": _fibre(program, state.main),
        "ready": [fibre.number for fibre in state.ready],
        "undo": list(state.undo),
        "withdrawn": list(state.withdrawn),
        "failing": _maybe(state.failing),
        "outcome": _outcome(state.outcome),
        "owed": state.owed,
        "told": state.told,
        "parks": state.parks,
    }


def from_plain(program: Bound, plain: dict[str, Any]) -> tuple[State, Running]:
    """The run that `to_plain` was asked of.

    Raises:
        ValueError: it was written by a newer build.
    """
    if plain["version"] > VERSION:
        raise ValueError(
            f"the state has version {plain['version']}, this build knows {VERSION}: update the workers"
        )
    running = Running(program)
    running.spent, running.since = plain["spent"], plain["since"]
    running.remember(plain.get("ran"))
    main = _read_fibre(running, plain["main"], None)
    fibres = {fibre.number: fibre for fibre in all_fibres(main)}
    state = State(main, deque(fibres[number] for number in plain["ready"]), plain["steps"], plain["fibres"])
    state.undo = dict.fromkeys(plain["undo"])
    state.withdrawn = list(plain["withdrawn"])
    state.failing = _read_error(plain["failing"])
    state.owed, state.told, state.parks = plain["owed"], plain["told"], plain.get("parks", False)
    if plain["outcome"] is not None:
        kind, value = plain["outcome"]
        error = _read_error(value) if kind == "failed" else None
        state.outcome = Finished(decode(value)) if error is None else Failed(error)
    return state, running


# Fibres


def _fibre(program: Bound, fibre: Fibre) -> dict[str, Any]:
    frames = [(frame, pc) for frame, pc, _ in fibre.stack] + [(fibre.slots, fibre.pc)]
    plain: dict[str, Any] = {
        "number": fibre.number,
        "frames": [
            _frame(program, slots, pc, fibre.level if at == 0 else 0) for at, (slots, pc) in enumerate(frames)
        ],
    }
    if fibre.group is not None:
        plain["place"] = fibre.place
    if fibre.step:
        plain |= {"step": fibre.step, "given": _given(fibre.given)}
    if fibre.children is not None:
        plain["group"] = _group(program, fibre.children)
    if fibre.dying:
        plain["dying"] = True
    if fibre.parked is not None:
        plain["parked"] = encode(fibre.parked)
    if fibre.failed_step:
        plain["failed_step"] = fibre.failed_step
    if fibre.retries is not None:
        plain["retries"] = list(fibre.retries)
    if fibre.has_begun:
        plain["has_begun"] = True
    return plain


def _read_fibre(running: Running, plain: dict[str, Any], group: Group | None) -> Fibre:
    program = running.program
    level, outer, top = 0, None, None
    if group is not None:
        outer, top = group.parent.slots, group.parent.slots[1]
        level = level_of(program, group.parent.pc)
    frames: list[tuple[Slots, int]] = []
    for at, (pc, variables, temporaries) in enumerate(plain["frames"]):
        slots = program.frame(program.unit_at(pc), running, top)
        top = slots[1]
        start, middle, end = program.extent(pc)
        if at == 0 and outer is not None:
            slots[:middle] = outer[:middle]
            slots[start + level : middle] = [UNSET] * (middle - start - level)
            start += level
        _fill(slots, start, variables)
        _fill(slots, middle, temporaries)
        assert len(slots) >= end
        frames.append((slots, pc))
    slots, pc = frames.pop()
    fibre = Fibre(plain["number"], slots, pc, group, plain.get("place", 0), level)
    fibre.stack = [(frame, call, 0) for frame, call in frames]
    fibre.step, fibre.given = plain.get("step", 0), _read_given(plain.get("given"))
    fibre.dying = plain.get("dying", False)
    fibre.parked, fibre.failed_step = _read_error(plain.get("parked")), plain.get("failed_step", 0)
    if "retries" in plain:
        pc, depth = plain["retries"]
        fibre.retries = pc, depth
    fibre.has_begun = plain.get("has_begun", False)
    fibre.held = running.settle(fibre.stack, fibre.slots, fibre.pc, level) + kept_size(fibre)
    if "group" in plain:
        fibre.children = _read_group(running, plain["group"], fibre)
    return fibre


def level_of(program: Bound, pc: int) -> int:
    """How many variables of a fibre's first frame are its parent's: those below the item's."""
    slot: int = program.code.code[pc][3]
    return slot - FIRST


def _frame(program: Bound, slots: Slots, pc: int, level: int) -> list[Any]:
    start, middle, end = program.extent(pc)
    return [pc, _places(slots, start + level, middle), _places(slots, middle, end)]


def _places(slots: Slots, start: int, end: int) -> list[Any]:
    while end > start and slots[end - 1] is UNSET:
        end -= 1
    return [_EMPTY if value is UNSET else encode(value) for value in slots[start:end]]


def _fill(slots: Slots, start: int, values: list[Any]) -> None:
    slots[start : start + len(values)] = [UNSET if value == _EMPTY else decode(value) for value in values]


# What an effect was given: arguments by name, for an exec those of its undo beside them


def _given(given: dict[str, Any]) -> dict[str, Any]:
    return {name: _given(value) if type(value) is dict else encode(value) for name, value in given.items()}


def _read_given(plain: dict[str, Any] | None) -> Any:
    if plain is None:
        return None
    if plain.keys() == {"options", "undo"}:
        return {
            kind: {name: decode(value) for name, value in values.items()} for kind, values in plain.items()
        }
    return {name: decode(value) for name, value in plain.items()}


def kept_size(fibre: Fibre) -> int:
    """Bytes of the state that a fibre takes beside its variables: what it asked for, why it is parked."""
    return given_size(fibre.given) + (0 if fibre.parked is None else size_of(fibre.parked))


def given_size(given: dict[str, Any] | None) -> int:
    """Bytes of the state that an unanswered request takes."""
    if not given:
        return 0
    return sum(given_size(value) if type(value) is dict else size_of(value) for value in given.values())


# Groups


def _group(program: Bound, group: Group) -> dict[str, Any]:
    return {
        "limit": group.limit,
        "collect": group.collect,
        "count": group.count,
        "items": [encode(item) for item in group.items],
        "results": _places(group.results, 0, len(group.results)),
        "errors": [[place, encode(error)] for place, error in group.errors.items()],
        "error": _maybe(group.error),
        "fibres": [_fibre(program, fibre) for fibre in group.fibres.values()],
    }


def _read_group(running: Running, plain: dict[str, Any], parent: Fibre) -> Group:
    results = [UNSET if value == _EMPTY else decode(value) for value in plain["results"]]
    group = Group(
        parent,
        plain["limit"],
        plain["collect"],
        plain["count"],
        deque(decode(item) for item in plain["items"]),
        results + [UNSET] * (plain["count"] - len(results)),
    )
    for place, error in plain["errors"]:
        found = _read_error(error)
        assert found is not None
        group.errors[place] = found
    group.error = _read_error(plain["error"])
    group.held = group.size()
    for fibre in plain["fibres"]:
        group.fibres[fibre["number"]] = _read_fibre(running, fibre, group)
    return group


# Outcomes


def _maybe(error: ErrorValue | None) -> Any:
    return None if error is None else encode(error)


def _read_error(plain: Any) -> ErrorValue | None:
    found = decode(plain)
    assert found is None or isinstance(found, ErrorValue)
    return found


def _outcome(outcome: Finished | Failed | None) -> Any:
    if isinstance(outcome, Finished):
        return ["finished", encode(outcome.value)]
    return None if outcome is None else ["failed", encode(outcome.error)]
