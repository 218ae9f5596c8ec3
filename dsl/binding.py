"""What the instructions of one unit are bound with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codeai.dsl.bound_operators import Evaluate, Part
from codeai.dsl.expressions import Expressions
from codeai.dsl.program import Code
from codeai.dsl.running import Slots

Step = Callable[[Slots], int]
"""Does an instruction's work and answers which is next (see `instructions.py`)."""


class Binding:
    """What the instructions of one unit are bound with."""

    def __init__(self, code: Code, costs: list[int], enter: list[int], expressions: Expressions) -> None:
        self.code, self.costs, self.enter = code, costs, enter
        self.expressions = expressions
        self.blanks: list[Slots] = []
        self.links: dict[int, tuple[int, int, int]] = {}

    def part(self, pc: int, words: list[Any]) -> Part:
        return self.expressions.bind(words, self.code.lines[pc])

    def run(self, pc: int, words: list[Any]) -> Evaluate:
        return self.part(pc, words).run

    def target(self, pc: int) -> int:
        """Where one comes to who goes to `pc`."""
        return self.code.target(pc)

    def integer(self, value: int) -> int:
        return self.expressions.constant(value)
