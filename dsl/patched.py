"""A run that goes on with an edited program: where it stood in the old one, and its state as the new one has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from codeai.dsl.fibres import Fibre, all_fibres


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands in its program: which instructions have run (see `ran.py`), where fibres have failed that
    are parked, and where all other frames stand."""

    ran: str
    failed: frozenset[int]
    others: frozenset[int]

    @property
    def all(self) -> frozenset[int]:
        return self.failed | self.others

    def to_json(self) -> dict[str, Any]:
        return {"ran": self.ran, "failed": sorted(self.failed), "others": sorted(self.others)}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Standing:
        """What `to_json` was asked of."""
        return cls(plain["ran"], frozenset(plain["failed"]), frozenset(plain["others"]))


@dataclass(frozen=True, slots=True)
class Moved:
    """Where it stands in the new program: which instructions have run, and for each of the old ones the new. Those in
    `restarts` have failed in a statement that is another now: it begins."""

    ran: str
    moves: dict[int, int]
    restarts: frozenset[int]

    def to_json(self) -> dict[str, Any]:
        moves = [list(move) for move in sorted(self.moves.items())]
        return {"ran": self.ran, "moves": moves, "restarts": sorted(self.restarts)}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Moved:
        """What `to_json` was asked of."""
        return cls(plain["ran"], dict(plain["moves"]), frozenset(plain["restarts"]))


def standing_of(main: Fibre, ran: str) -> Standing:
    """Where all fibres of a run stand."""
    failed: set[int] = set()
    others: set[int] = set()
    for fibre in all_fibres(main):
        is_parked = fibre.parked is not None and not fibre.dying
        (failed if is_parked else others).add(fibre.pc)
        others.update(pc for _, pc, _ in fibre.stack)
    return Standing(ran, frozenset(failed), frozenset(others))


def moved(state: dict[str, Any], to: Moved) -> dict[str, Any]:
    """A state (see `state.py`, which it is changed in) as the new program has it."""
    state["ran"] = to.ran
    for fibre in _fibres(state["main"]):
        *calls, last = fibre["frames"]
        if "parked" in fibre and not fibre.get("dying") and last[0] in to.restarts:
            last[2] = []
            fibre.pop("failed_step", None)
        for frame in (*calls, last):
            frame[0] = to.moves[frame[0]]
        # A retry that is under way is one of the statement where the fibre stands: it is asked for as a new one.
        fibre.pop("retries", None)
    return state


def _fibres(main: dict[str, Any]) -> Iterator[dict[str, Any]]:
    ahead = [main]
    while ahead:
        fibre = ahead.pop()
        yield fibre
        ahead += fibre.get("group", {}).get("fibres", ())
