"""What a lane decides, as functions of what it knows: who has it, who waits, who is sent away."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from codeai.workflows.contracts.lanes import Concurrency, LaneAnswer, LaneState, Turn, TurnsKnown

MOST = 5_000
"""Runs that may wait in one lane: what continue-as-new carries is bounded (2 MiB)."""
REMEMBERED = 200
"""Runs that a lane remembers after they are gone: one whose question comes late is not taken in again."""


def ask(state: LaneState, turn: Turn) -> tuple[LaneState, LaneAnswer]:
    """A run asks for its turn."""
    if known := _known(state, turn):
        return state, known
    if state.holder is None and not state.queue:
        return state.model_copy(update={"holder": turn, "called": False}), _granted(turn)
    full = len(state.queue) >= MOST
    if turn.concurrency is Concurrency.REJECT or full or _is_replaced(state, turn):
        return _remember(state, turn), _rejected(state)
    if turn.concurrency is Concurrency.REPLACE:
        state = _replace_all(state)
    queue = tuple(sorted((*state.queue, turn), key=lambda one: (one.since, one.run)))
    state = state.model_copy(update={"queue": queue})
    return state, _queued(state, turn)


def recovered(state: LaneState, known: TurnsKnown, asking: Collection[str] = ()) -> LaneState:
    """What the lane before this one knew, if it was ended by force; what this one was told meanwhile is newer. Runs
    that are `asking` get their answer as any other."""
    queue = [one for one in known.queue if one.run not in state.gone and one.run not in asking]
    holder = known.holder if known.holder is not None and known.holder.run not in state.gone else None
    return state.model_copy(
        update={"holder": holder, "queue": tuple(sorted(queue, key=lambda one: (one.since, one.run)))}
    )


def release(state: LaneState, run: str) -> LaneState:
    """A run has ended, or is known to be gone."""
    left: dict[str, Any] = {
        "queue": tuple(one for one in state.queue if one.run != run),
        "unwanted": tuple(one for one in state.unwanted if one.run != run),
        "gone": _with(state.gone, run),
    }
    if state.holder is not None and state.holder.run == run:
        left |= {"holder": None, "called": False}
    return state.model_copy(update=left)


def call_next(state: LaneState) -> LaneState:
    """The first in the queue has the lane, and is to be told; where somebody has it nothing changes."""
    if state.holder is not None or not state.queue:
        return state
    first, *rest = state.queue
    return state.model_copy(update={"holder": first, "called": True, "queue": tuple(rest)})


def told(state: LaneState, turn: Turn) -> LaneState:
    """The holder knows that it has the lane."""
    return state.model_copy(update={"called": False}) if state.holder == turn else state


def cancelled(state: LaneState, turn: Turn) -> LaneState:
    """A replaced run was told to end."""
    return state.model_copy(update={"unwanted": tuple(one for one in state.unwanted if one != turn)})


def _known(state: LaneState, turn: Turn) -> LaneAnswer | None:
    if state.holder is not None and state.holder.run == turn.run:
        return _granted(turn)
    if any(one.run == turn.run for one in state.queue):
        return _queued(state, turn)
    return _rejected(state) if turn.run in state.gone else None


def _is_replaced(state: LaneState, turn: Turn) -> bool:
    """A run that started later has taken the place of all before it, and its question came first."""
    holders = () if state.holder is None else (state.holder,)
    return any(
        one.concurrency is Concurrency.REPLACE and one.since > turn.since for one in (*holders, *state.queue)
    )


def _replace_all(state: LaneState) -> LaneState:
    """Holder and queue are to end. The holder keeps the lane until it has; who waits leaves at once."""
    holders = () if state.holder is None or state.holder in state.unwanted else (state.holder,)
    gone = state.gone
    for one in state.queue:
        gone = _with(gone, one.run)
    return state.model_copy(
        update={"queue": (), "unwanted": (*state.unwanted, *state.queue, *holders), "gone": gone}
    )


def _remember(state: LaneState, turn: Turn) -> LaneState:
    return state.model_copy(update={"gone": _with(state.gone, turn.run)})


def _with(gone: tuple[str, ...], run: str) -> tuple[str, ...]:
    return gone if run in gone else (*gone, run)[-REMEMBERED:]


def _granted(turn: Turn) -> LaneAnswer:
    return LaneAnswer(answer="granted", holder=turn.execution)


def _queued(state: LaneState, turn: Turn) -> LaneAnswer:
    place = next(number for number, one in enumerate(state.queue, start=1) if one.run == turn.run)
    return LaneAnswer(answer="queued", position=place, holder=_holder(state))


def _rejected(state: LaneState) -> LaneAnswer:
    return LaneAnswer(answer="rejected", holder=_holder(state))


def _holder(state: LaneState) -> str | None:
    return None if state.holder is None else state.holder.execution
