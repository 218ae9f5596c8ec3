"""Builds the nodes of a query: one function for each alternative of the grammar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from codeai.dsl.diagnostics import Findings
from codeai.dsl.query.diagnostics import DEPTH, MOST_VALUES, refuse
from codeai.dsl.query.lexer import Token
from codeai.dsl.query.operators import BY_SPELLING, Operator
from codeai.dsl.query.tree import (
    Aggregate,
    Comparison,
    Condition,
    Filter,
    Junction,
    Not,
    Operand,
    Ordering,
    Select,
    Update,
    Word,
)


@dataclass(frozen=True, slots=True)
class Part:
    """A condition under construction: how deep it is nested, and whether brackets close it."""

    node: Condition
    depth: int = 0
    closed: bool = True


class Builder:
    """Makes the nodes of one text. Values are what the alternatives name: tokens, lists, nodes."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.makers: Mapping[str, Callable[[list[Any]], Any]] = {
            "nothing": lambda _: None,
            "last": lambda of: of[-1],
            "first": lambda of: [of[0]],
            "next": lambda of: [*of[0], of[2]],
            "select": self.select,
            "count": lambda of: Aggregate(word(of[0]), None, word(of[2]), condition(of[3])),
            "aggregate": self.aggregate,
            "selected_aggregate": lambda of: self.aggregate(of[1:]),
            "update": self.update,
            "assignment": lambda of: (word(of[0]), of[2]),
            "everything": lambda _: Filter(None),
            "filter": lambda of: Filter(condition(of[0])),
            "ordering": lambda of: Ordering(word(of[0]), len(of) > 1 and of[1][0] == "DESC"),
            "value": lambda of: operand(of[0]),
            "list": self.values,
            "list_param": lambda of: operand(of[0]),
            "either": lambda of: joined(False, of[0], of[2]),
            "both": lambda of: joined(True, of[0], of[2]),
            "adjacent": lambda of: joined(True, of[0], of[1]),
            "negated": self.negated,
            "inner": self.inner,
            "compare": self.compare,
            "compare_not": lambda of: negated(self.compare([of[0], *of[2:]])),
            "between": self.between,
            "not_between": lambda of: negated(self.between([of[0], *of[2:]])),
            "among": self.among,
            "not_among": lambda of: negated(self.among([of[0], *of[2:]])),
            "missing": self.missing,
            "present": lambda of: negated(self.missing(of)),
        }

    def select(self, of: list[Any]) -> Select:
        _, columns, _, entity, where, order, limit, offset = of
        names = None if columns is None else tuple(word(one) for one in columns)
        return Select(names, word(entity), condition(where), tuple(order or ()), limit, offset)

    def aggregate(self, of: list[Any]) -> Aggregate:
        function, _, target, _, _, entity, where = of
        name = word(function)
        if target[0] == "*" and name.text != "COUNT":
            refuse(self.findings, "syntax", target[2], target[3], found="`*`", expected="a column")
        column = None if target[0] == "*" else word(target)
        return Aggregate(name, column, word(entity), condition(where))

    def update(self, of: list[Any]) -> Update:
        _, entity, _, assignments, where = of
        return Update(word(entity), tuple(assignments), condition(where))

    def values(self, of: list[Any]) -> list[Operand]:
        values: list[Operand] = of[1]
        if len(values) > MOST_VALUES:
            over = values[MOST_VALUES]
            refuse(
                self.findings, "too_many_values", over.start, over.end, most=MOST_VALUES, found=len(values)
            )
        return values

    def negated(self, of: list[Any]) -> Part:
        return self.deeper(of[0], negated(of[1]))

    def inner(self, of: list[Any]) -> Part:
        return self.deeper(of[0], Part(of[1].node, of[1].depth))

    def deeper(self, token: Token, part: Part) -> Part:
        if part.depth >= DEPTH:
            refuse(self.findings, "too_deep", token[2], token[3], most=DEPTH)
        return Part(part.node, part.depth + 1)

    def compare(self, of: list[Any]) -> Part:
        column, sign, value = of
        operator = BY_SPELLING[sign[0]]
        if value.kind == "NULL" and sign[0] in (":", ":=", ":!="):
            part = self.missing([column, sign, value])
            return negated(part) if operator is Operator.NOT_EQUAL else part
        return comparison(column, operator, (value,), value.end)

    def between(self, of: list[Any]) -> Part:
        column, _, low, _, high = of
        return comparison(column, Operator.BETWEEN, (low, high), high.end)

    def among(self, of: list[Any]) -> Part:
        column, _, values = of
        if isinstance(values, Operand):
            return comparison(column, Operator.IN, (), values.end, values)
        return comparison(column, Operator.IN, tuple(values), values[-1].end)

    def missing(self, of: list[Any]) -> Part:
        end = of[-1].end if isinstance(of[-1], Operand) else of[-1][3]
        return comparison(of[0], Operator.IS_NULL, (), end)


def word(token: Token) -> Word:
    kind, text, start, end = token
    return Word(kind if kind in ("COUNT", "SUM", "AVG", "MIN", "MAX") else text, start, end)


def operand(token: Token) -> Operand:
    kind, text, start, end = token
    return Operand("WORD" if kind == "NAME" else kind, text, start, end)


def condition(part: Part | None) -> Condition | None:
    return None if part is None else part.node


def comparison(
    column: Token, operator: Operator, operands: tuple[Operand, ...], end: int, given: Operand | None = None
) -> Part:
    return Part(Comparison(word(column), operator, operands, column[2], end, given))


def negated(part: Part) -> Part:
    """Twice is not at all, also for what is unknown."""
    node = part.node.part if isinstance(part.node, Not) else Not(part.node)
    return Part(node, part.depth)


def joined(every: bool, left: Part, right: Part) -> Part:
    """A chain without brackets is one junction, so that its length is no depth."""
    before = left.node.parts if isinstance(left.node, Junction) and not left.closed else (left.node,)
    if isinstance(left.node, Junction) and left.node.every is not every:
        before = (left.node,)
    return Part(Junction(every, (*before, right.node)), max(left.depth, right.depth), closed=False)
