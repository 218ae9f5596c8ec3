"""Checks a query's tree against the columns of its entity: names, types, values; what comes out can be run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codeai.dsl.diagnostics import Findings
from codeai.dsl.query.diagnostics import MOST_VALUES, BadQuery
from codeai.dsl.query.operators import FUNCTIONS, OPERATORS, Operator, Type
from codeai.dsl.query.tree import (
    Aggregate,
    Assignments,
    Checked,
    Compared,
    Comparison,
    Condition,
    Filter,
    Junction,
    Not,
    Operand,
    Plain,
    Select,
    Selection,
    Statement,
    Summary,
    Update,
    Word,
)
from codeai.dsl.query.values import Unfit, expected, value_of

_PATTERNS = (Operator.LIKE, Operator.ILIKE)
MOST_COUNT = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Field:
    """A public column. `writable`: an UPDATE may set it, to one of `choices` where there are some, to a text of at
    most `longest` characters, to a number above `above` and at most `most`; to NULL where it is `optional`."""

    name: str
    type: Type
    writable: bool = False
    optional: bool = False
    choices: tuple[str, ...] = ()
    longest: int | None = None
    above: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """An entity as queries see it."""

    name: str
    fields: Mapping[str, Field]


def entity_of(statement: Statement, findings: Findings, known: Sequence[str]) -> str:
    """The entity that the query is about. Raises BadQuery where there is none of that name."""
    entity = statement.entity
    if entity.text not in known:
        hint = findings.did_you_mean(entity.text, known) or f"there are {', '.join(known)}"
        findings.add("unknown_entity", entity.start, entity.end, hint, name=entity.text)
        raise BadQuery(findings)
    return entity.text


def check(statement: Statement, findings: Findings, shape: Shape, params: Mapping[str, Any]) -> Checked:
    """The query with its values, of the columns' types. Raises BadQuery with everything that is wrong."""
    return _Checker(findings, shape, params).statement(statement)


def check_filter(tree: Filter, findings: Findings, shape: Shape) -> Condition | None:
    """The same for a filter, which has no parameters."""
    checker = _Checker(findings, shape, {})
    where = checker.where(tree.where)
    checker.end()
    return where


class _Checker:
    def __init__(self, findings: Findings, shape: Shape, params: Mapping[str, Any]) -> None:
        self.findings = findings
        self.shape = shape
        self.params = params

    def statement(self, statement: Statement) -> Checked:
        checked: Checked
        if isinstance(statement, Select):
            checked = self.select(statement)
        elif isinstance(statement, Aggregate):
            checked = self.aggregate(statement)
        else:
            checked = self.update(statement)
        self.end()
        return checked

    def end(self) -> None:
        if self.findings.found:
            raise BadQuery(self.findings)

    def select(self, tree: Select) -> Selection:
        names = self.named(tree.columns or ())
        where = self.where(tree.where)
        self.named([one.column for one in tree.order])
        order = tuple((one.column.text, one.descending) for one in tree.order)
        for one in tree.order:
            field = self.shape.fields.get(one.column.text)
            if field is not None and field.type is Type.LIST:
                self.unfit("bad_operator", one.column, field, operator="ORDER BY")
        limit = None if tree.limit is None else self.count(tree.limit, "LIMIT")
        offset = 0 if tree.offset is None else self.count(tree.offset, "OFFSET")
        return Selection(names, where, order, limit, offset)

    def aggregate(self, tree: Aggregate) -> Summary:
        field = self.column(tree.column) if tree.column else None
        if field is not None and tree.column and field.type not in FUNCTIONS[tree.function.text]:
            self.unfit("bad_function", tree.column, field, function=tree.function.text)
        return Summary(tree.function.text, field.name if field else None, self.where(tree.where))

    def update(self, tree: Update) -> Assignments:
        self.named([column for column, _ in tree.assignments])
        values = tuple(self.assignment(column, value) for column, value in tree.assignments)
        where = self.where(tree.where)
        if where is None:
            end = len(self.findings.source.text)
            hint = "it says which rows; all of them: WHERE id IS NOT NULL"
            self.findings.add("no_where", tree.entity.start, end, hint)
            raise BadQuery(self.findings)
        return Assignments(values, where)

    def assignment(self, column: Word, operand: Operand) -> tuple[str, Plain]:
        field = self.column(column)
        if field is None:
            return column.text, None
        if not field.writable:
            writable = [one.name for one in self.shape.fields.values() if one.writable]
            known = f"only {', '.join(writable)} can" if writable else f"nothing of {self.shape.name} can"
            self.findings.add("not_writable", column.start, column.end, name=field.name, known=known)
            return field.name, None
        value = self.value(field, operand, null=field.optional)
        if value is not None and field.choices and value not in field.choices:
            self.misfit(field, operand, " or ".join(field.choices))
        if isinstance(value, str) and field.longest is not None and len(value) > field.longest:
            self.misfit(field, operand, f"at most {field.longest} characters")
        if isinstance(value, float) and field.above is not None and value <= field.above:
            self.misfit(field, operand, f"a number above {field.above:g}")
        if isinstance(value, float) and field.most is not None and value > field.most:
            self.misfit(field, operand, f"a number of at most {field.most:.0f}")
        if value is None and not field.optional and operand.kind == "PARAM":
            self.misfit(field, operand, "a value")
        return field.name, value

    def named(self, words: Sequence[Word]) -> tuple[str, ...]:
        """The names of columns, each there and named once."""
        seen: set[str] = set()
        for word in words:
            self.column(word)
            if word.text in seen:
                self.findings.add("duplicate_column", word.start, word.end, name=word.text)
            seen.add(word.text)
        return tuple(word.text for word in words)

    def column(self, word: Word) -> Field | None:
        field = self.shape.fields.get(word.text)
        if field is None and not self.said(word):
            known = list(self.shape.fields)
            hint = self.findings.did_you_mean(word.text, known) or f"there are {', '.join(known)}"
            name, entity = word.text, self.shape.name
            self.findings.add("unknown_column", word.start, word.end, hint, name=name, entity=entity)
        return field

    def said(self, word: Word) -> bool:
        """Whether something was found at that place already."""
        place = self.findings.source.position(word.start)
        return any((one.line, one.column) == place for one in self.findings.found)

    def where(self, node: Condition | None) -> Condition | None:
        if isinstance(node, Junction):
            parts = [self.where(part) for part in node.parts]
            return Junction(node.every, tuple(part for part in parts if part is not None))
        if isinstance(node, Not):
            part = self.where(node.part)
            return None if part is None else Not(part)
        if isinstance(node, Comparison):
            return self.comparison(node)
        return node

    def comparison(self, node: Comparison) -> Compared | None:
        field = self.column(node.column)
        if field is None:
            return None
        if field.type not in OPERATORS[node.operator].types:
            self.unfit("bad_operator", node.column, field, operator=node.operator.value, end=node.end)
            return None
        if node.given is not None:
            values = self.array(field, node.given)
        else:
            values = tuple(self.value(field, one) for one in node.operands)
        if node.operator in _PATTERNS and node.operands:
            self.pattern(values[0], node.operands[0])
        return Compared(field.name, node.operator, values)

    def pattern(self, value: Plain, operand: Operand) -> None:
        """Postgres refuses a pattern whose last character says that another one follows."""
        if isinstance(value, str) and (len(value) - len(value.rstrip("\\"))) % 2:
            hint = "write `\\\\` for one that is meant"
            self.findings.add("bad_pattern", operand.start, operand.end, hint)

    def value(self, field: Field, operand: Operand, *, null: bool = False) -> Plain:
        if operand.kind == "NULL":
            if not null:
                hint = "write IS NULL or IS NOT NULL"
                self.findings.add("null_value", operand.start, operand.end, hint)
            return None
        given = operand.text
        if operand.kind == "PARAM":
            if operand.text not in self.params:
                self.unbound(operand)
                return None
            return self.fitting(field, operand, self.params[operand.text])
        if operand.kind in ("TRUE", "FALSE"):
            return self.fitting(field, operand, operand.kind == "TRUE")
        if operand.kind == "NUMBER":
            return self.fitting(field, operand, self.number(operand))
        return self.fitting(field, operand, given)

    def array(self, field: Field, operand: Operand) -> tuple[Plain, ...]:
        """The values of a parameter that has a whole list."""
        given = self.params.get(operand.text)
        if operand.text not in self.params:
            self.unbound(operand)
        elif not isinstance(given, list):
            found = _told(given)
            values = {"name": field.name, "expected": "an array", "found": found}
            self.findings.add("bad_value", operand.start, operand.end, "", **values)
        elif len(given) > MOST_VALUES:
            found = str(len(given))
            self.findings.add("too_many_values", operand.start, operand.end, most=MOST_VALUES, found=found)
        else:
            return tuple(self.fitting(field, operand, one) for one in given)
        return ()

    def fitting(self, field: Field, operand: Operand, given: Any) -> Plain:
        try:
            return value_of(field.type, given)
        except Unfit:
            said = operand.kind == "PARAM" or isinstance(given, str)
            hint = "" if said or field.type is not Type.TEXT else f"put it in quotes: '{operand.text}'"
            self.misfit(field, operand, expected(field.type), given, hint)
            return None

    def misfit(
        self, field: Field, operand: Operand, wanted: str, given: object = None, hint: str = ""
    ) -> None:
        found = (
            _told(given)
            if operand.kind == "PARAM"
            else self.findings.source.text[operand.start : operand.end]
        )
        if len(found) > 40:
            found = found[:37] + "…"
        values = {"name": field.name, "expected": wanted, "found": found}
        self.findings.add("bad_value", operand.start, operand.end, hint, **values)

    def unfit(self, code: str, column: Word, field: Field, *, end: int | None = None, **more: str) -> None:
        values = {"name": field.name, "type": field.type.value, **more}
        self.findings.add(code, column.start, end or column.end, "", **values)

    def unbound(self, operand: Operand) -> None:
        hint = self.findings.did_you_mean(operand.text, self.params)
        self.findings.add("unbound_param", operand.start, operand.end, hint, name=operand.text)

    def number(self, operand: Operand) -> int | float | None:
        text = operand.text
        number = int(text) if text.lstrip("+-").isdigit() and len(text) < 25 else float(text)
        if (isinstance(number, int) and not -(2**63) <= number < 2**63) or number in (
            float("inf"),
            float("-inf"),
        ):
            shown = text if len(text) <= 40 else text[:37] + "…"
            self.findings.add("number_too_large", operand.start, operand.end, found=shown)
            return None
        return number

    def count(self, operand: Operand, what: str) -> int:
        given: Any = self.params.get(operand.text) if operand.kind == "PARAM" else self.number(operand)
        if operand.kind == "PARAM" and operand.text not in self.params:
            self.unbound(operand)
        elif type(given) is not int or not 0 <= given <= MOST_COUNT:
            if given is not None or operand.kind == "PARAM":
                found = _told(given) if operand.kind == "PARAM" else operand.text
                self.findings.add("bad_count", operand.start, operand.end, what=what, found=found)
        else:
            return given
        return 0


def _told(given: object) -> str:
    """The kind of a parameter's value; never the value, which may be long or secret."""
    if isinstance(given, bool):
        return "a boolean"
    names = {str: "a text", int: "an integer", float: "a number", list: "an array", dict: "an object"}
    return names.get(type(given), "null")
