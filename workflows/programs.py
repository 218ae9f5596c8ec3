"""Bound programs by content hash: closures are made once a process, however many runs use them (a pure memo)."""

from __future__ import annotations

from collections import OrderedDict

from codeai.dsl.machine import Bound, bind
from codeai.dsl.program import LEVEL, unpack

KEPT = 64
_bound: OrderedDict[str, Bound] = OrderedDict()


class NewerLanguage(Exception):
    """The program was compiled by a newer worker: this one must leave it alone."""


def bound_program(content_hash: str, packed: str) -> Bound:
    """The program behind `packed`. Raises NewerLanguage where its level is above what this worker knows."""
    known = _bound.get(content_hash)
    if known is not None:
        _bound.move_to_end(content_hash)
        return known
    code = unpack(packed)
    if code.level > LEVEL:
        raise NewerLanguage(f"language level {code.level}; this worker knows {LEVEL}: upgrade it")
    made = bind(code)
    _bound[content_hash] = made
    while len(_bound) > KEPT:
        _bound.popitem(last=False)
    return made
