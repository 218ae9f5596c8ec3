"""Which instructions of a run have run: each notes itself once, then steps aside, so that loops pay nothing for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_Step = Callable[[list[Any]], int]
_firsts: list[_Step] = []


def firsts(count: int) -> list[_Step]:
    """For each instruction of a program what runs in its place the first time. They are shared by all programs: each
    finds its own by the run whose frame it is given."""
    while len(_firsts) < count:
        _firsts.append(_first(len(_firsts)))
    return _firsts[:count]


def _first(pc: int) -> _Step:
    def first(slots: list[Any]) -> int:
        running = slots[0]
        running.ran[pc] = 1
        step = running.steps[pc] = running.program.steps[pc]
        return step(slots)  # type: ignore[no-any-return]

    return first


def to_text(ran: bytearray) -> str:
    """Four instructions a character."""
    return f"{int(bytes(48 + one for one in reversed(ran)), 2):x}"


def from_text(text: str, count: int) -> bytearray:
    """What `to_text` was given, of a program that has `count` instructions."""
    return bytearray(one - 48 for one in reversed(f"{int(text, 16):0{count}b}".encode()))
