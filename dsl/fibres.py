"""What a run is: its fibres and their groups, who runs, who waits for what. Records only; the machine moves them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from codeai.dsl.requests import Failed, Finished
from codeai.dsl.running import UNSET, Slots
from codeai.dsl.values import Array, ErrorValue, size_of


@dataclass(slots=True, eq=False)
class Fibre:
    """One line of execution. `pc` is where it goes on, or where it waits: for the answer to `step`, whose
    arguments are `given`, or for `group`. `level` is how many variables of its first frame are its parent's.
    A `dying` one was cancelled and waits only for its answer. A `parked` one failed with that error at `pc`, where it
    waits for somebody to say how to go on; `failed_step` is the command that failed there, which a retry at
    `retries` (instruction, depth of the stack) asks for again. `has_begun` says that the command it waits for was asked
    for before and has its undo since then, which it keeps whatever becomes of it now."""

    number: int
    slots: Slots
    pc: int
    group: Group | None = None
    place: int = 0
    level: int = 0
    stack: list[tuple[Slots, int, int]] = field(default_factory=list)
    held: int = 0
    step: int = 0
    given: Any = None
    children: Group | None = None
    dying: bool = False
    parked: ErrorValue | None = None
    failed_step: int = 0
    retries: tuple[int, int] | None = None
    has_begun: bool = False


@dataclass(slots=True, eq=False)
class Group:
    """The fibres of one `parallel`. `items` are those not begun yet, of `count`; `results` has UNSET where there
    is none yet; `error` is the first failure, where failures are not collected."""

    parent: Fibre
    limit: int
    collect: bool
    count: int
    items: deque[Any]
    results: list[Any]
    errors: dict[int, ErrorValue] = field(default_factory=dict)
    error: ErrorValue | None = None
    fibres: dict[int, Fibre] = field(default_factory=dict)
    held: int = 0

    @classmethod
    def of(cls, parent: Fibre, items: Array, limit: int, collect: bool) -> Group:
        return cls(parent, limit, collect, len(items), deque(items), [UNSET] * len(items), held=items.size)

    def size(self) -> int:
        """Bytes of the state that the items to come, the results and the errors take."""
        values = (
            *self.items,
            *(value for value in self.results if value is not UNSET),
            *self.errors.values(),
        )
        return 2 + sum(size_of(value) + 1 for value in values)

    @property
    def next_place(self) -> int:
        return self.count - len(self.items)


def all_fibres(main: Fibre) -> Iterator[Fibre]:
    """A fibre and all below it, parents first."""
    todo = [main]
    while todo:
        fibre = todo.pop()
        yield fibre
        if fibre.children is not None:
            todo.extend(reversed(fibre.children.fibres.values()))


@dataclass(slots=True, eq=False)
class State:
    """All that a run is. `steps` and `fibres` are the last numbers given; `ready` are the fibres that can go on;
    `undo` the steps of the undo stack, in the order of their starts; `withdrawn` those not reported yet;
    `failing` why all fibres are being ended; `owed` says that the slice is over, but was not said to be;
    `told` that the outcome was reported; `parks` that a fibre parks at an error that no `try` would catch."""

    main: Fibre
    ready: deque[Fibre]
    steps: int = 0
    fibres: int = 0
    undo: dict[int, None] = field(default_factory=dict)
    withdrawn: list[int] = field(default_factory=list)
    failing: ErrorValue | None = None
    outcome: Finished | Failed | None = None
    owed: bool = False
    told: bool = False
    parks: bool = False
