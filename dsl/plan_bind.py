"""A program bound for planning: the language's own closures, but what depends on an unknown is unknown.

Each word of an expression is the closure that a run has (`expressions.py`), behind a look at its operands. An
instruction takes its expressions from `given`: the plan evaluates them once, looks, and only then lets the
instruction do its work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codeai.dsl import operators
from codeai.dsl.bind import Bound
from codeai.dsl.binding import Binding
from codeai.dsl.bound_operators import Evaluate, Part
from codeai.dsl.expressions import BINDERS, Expressions
from codeai.dsl.plan_unknown import (
    Guess,
    Undecided,
    Unknown,
    effort,
    in_text,
    is_unknown,
    member,
    operand,
    unknown,
)
from codeai.dsl.program import Code
from codeai.dsl.running import LIGHT, Slots
from codeai.dsl.values import Array, ExecValue, SecretHandle

_LEAVES = frozenset({"v", "t", "g", "c"})
_LAZY = frozenset({"and", "or"})
_HEADS = frozenset({"len", "bool", "keys", "values", "append", "slice", "reverse", "merge", "default"})
"""Built-ins that do not look at what is in an array or map."""


class Planned(Bound):
    """A program ready to be planned. `runs` has the expressions of each instruction, in the order in which they
    are evaluated; `given` their values for the next step. `guessed` says that something was unknown which may
    turn out to be an error."""

    def __init__(self, code: Code) -> None:
        self.runs: list[list[Evaluate]] = [[] for _ in code.code]
        self.given: list[Guess] = []
        self.guessed = False
        super().__init__(code)

    def binding(self, base: int) -> Binding:
        return _Once(self, base)

    def guess(self, what: str, type: str | None = None) -> Unknown:
        self.guessed = True
        return unknown(what, type)

    def combined(self, sign: str, left: Guess, right: Guess) -> Unknown | None:
        """What `left sign right` is where that is unknown."""
        if not (is_unknown(left) or is_unknown(right)):
            return None
        if sign == "+":
            if type(left) is Array and type(right) is Array:
                return None
            if _is_text(left) or _is_text(right):
                return Unknown(in_text(left) + in_text(right), "string")
        return self.guess(f"{operand(left)} {sign} {operand(right)}")


class _Once(Binding):
    def __init__(self, planned: Planned, base: int) -> None:
        super().__init__(planned.code, planned.costs, planned.enter, _Guessing(planned, base))
        self._planned = planned

    def part(self, pc: int, words: list[Any]) -> Part:
        made, runs, given = super().part(pc, words), self._planned.runs[pc], self._planned.given
        at = len(runs)
        runs.append(made.run)
        return Part(lambda _: given[at], fresh=made.fresh)


class _Guessing(Expressions):
    def __init__(self, planned: Planned, base: int) -> None:
        super().__init__(base)
        self._planned = planned

    def word(self, stack: list[Part], name: str, operands: list[Any]) -> Part:
        if name in _LEAVES:
            return super().word(stack, name, operands)
        count = _taken(name, operands)
        taken = [part.run for part in stack[len(stack) - count :]]
        del stack[len(stack) - count :]
        values: list[Guess] = []
        if name in _LAZY:
            readers = [Part(run) for run in taken]
        else:
            readers = [Part(_reader(values, at)) for at in range(count)]
        made = BINDERS[name](self, readers, name, operands)
        look, real, planned = self._look(name, operands), made.run, self._planned

        def run(slots: Slots) -> Any:
            if name not in _LAZY:
                values[:] = [one(slots) for one in taken]
                for value in values:
                    if type(value) not in LIGHT:
                        slots[0].spent += effort(value)
                found = look(values)
                if found is not None:
                    return found[0]
            try:
                return real(slots)
            except Undecided as undecided:
                asked = Unknown(undecided.value.condition).inner
                return planned.guess(f"{asked} {name} …" if name in _LAZY else f"not {asked}")

        return Part(run, fresh=made.fresh)

    def _look(self, name: str, operands: list[Any]) -> Callable[[list[Guess]], tuple[Guess] | None]:
        """Answers what a word gives, in a tuple, where that follows from an unknown operand; else None."""
        planned = self._planned
        if name == "b":
            return _of_builtin(planned, operands[0], all(isinstance(place, int) for place in operands[1]))
        if name == ".":
            return lambda values: (
                (_marked(planned, member(values[0], operands[0])),) if type(values[0]) is Unknown else None
            )
        if name == "i":
            return lambda values: _element(planned, *values)
        if name == "s":
            return _template
        if name == "{":
            return lambda values: _keyed(planned, operands[0], values)
        if name in operators.BINARY:
            return lambda values: _one(planned.combined(name, *values) if _no_secret(values) else None)
        if name == "neg":
            return lambda values: _one(
                planned.guess(f"-{operand(values[0])}") if type(values[0]) is Unknown else None
            )
        return lambda _: None  # an array holds unknowns; `not` asks for the truth


def _taken(name: str, operands: list[Any]) -> int:
    """How many operands a word takes from the stack."""
    if name == "[" or name == "s":
        return int(operands[0])
    if name == "{":
        return len(operands[0]) + int(operands[0].count(None))
    if name == "b":
        return sum(isinstance(place, int) for place in operands[1])
    return 1 if name in ("not", "neg", ".") else 2


def _reader(values: list[Guess], at: int) -> Evaluate:
    return lambda _: values[at]


def _one(found: Guess) -> tuple[Guess] | None:
    return None if found is None else (found,)


def _marked(planned: Planned, value: Guess) -> Guess:
    planned.guessed = planned.guessed or type(value) is Unknown
    return value


def _is_text(value: Guess) -> bool:
    if type(value) is Unknown:
        return value.type in ("string", "exec")
    return type(value) is str or type(value) is ExecValue


def _no_secret(values: list[Guess]) -> bool:
    """Texts joined to a secret are part of its handle: unknown ones as people see them."""
    if not any(type(value) is SecretHandle for value in values):
        return True
    values[:] = [in_text(value) if is_unknown(value) else value for value in values]
    return False


def _template(values: list[Guess]) -> tuple[Guess] | None:
    if not any(map(is_unknown, values)) or not _no_secret(values):
        return None
    return (Unknown("".join(map(in_text, values)), "string"),)


def _element(planned: Planned, subject: Guess, key: Guess) -> tuple[Guess] | None:
    if type(subject) is not Unknown and type(key) is not Unknown:
        return None
    return (planned.guess(f"{operand(subject)}[{operand(key)}]"),)


def _keyed(planned: Planned, keys: list[str | None], values: list[Guess]) -> tuple[Guess] | None:
    """A map one of whose keys is unknown."""
    at = 0
    for key in keys:
        if key is None:
            if type(values[at]) is Unknown:
                return (planned.guess("a map", "map"),)
            at += 1
        at += 1
    return None


def _of_builtin(planned: Planned, name: str, in_order: bool) -> Callable[[list[Guess]], tuple[Guess] | None]:
    def look(values: list[Guess]) -> tuple[Guess] | None:
        if name == "type" and type(values[0]) is Unknown and values[0].type is not None:
            return (values[0].type,)
        if name == "str" and is_unknown(values[0]):
            return (Unknown(in_text(values[0]), "string"),)
        looked_at = values[:-1] if name in ("append", "default") and in_order else values
        if name in _HEADS:
            hit = any(type(value) is Unknown for value in looked_at)
        else:
            hit = any(map(is_unknown, values))
        return (planned.guess(f"{name}({', '.join(map(operand, values))})"),) if hit else None

    return look
