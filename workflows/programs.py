"""Bound programs by content hash: closures are made once a process, however many runs use them (a pure memo)."""

from __future__ import annotations

from collections import OrderedDict

from codeai.dsl.bind import Bound, bind
from codeai.dsl.program import unpack

KEPT = 64
_bound: OrderedDict[str, Bound] = OrderedDict()


def bound_program(content_hash: str, packed: str) -> Bound:
    """The program behind `packed`. Raises ValueError where it was compiled by a newer worker: then the workflow
    task fails, and is repeated until a worker that knows its language level has it."""
    known = _bound.get(content_hash)
    if known is not None:
        _bound.move_to_end(content_hash)
        return known
    made = _bound[content_hash] = bind(unpack(packed))
    while len(_bound) > KEPT:
        _bound.popitem(last=False)
    return made
