"""Expressions become postfix lists; what is no pure expression in them becomes instructions before.

User calls and effects are hoisted into temporaries, left to right, and so is what stands before them, unless
nothing can change or fail in it. An expression of more than 32 operators and calls is cut in the same way; what
walks values weighs eight of them, so one instruction walks no more than a few.
Nothing here recurses: long chains are loops, and nesting is a stack of generators (see `drive`).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from codeai.dsl import tree
from codeai.dsl.builtins import BUILTINS, Parameter, places
from codeai.dsl.diagnostics import Source
from codeai.dsl.effects import EFFECTS
from codeai.dsl.envnames import is_reserved
from codeai.dsl.opcodes import FIRST, WORDS
from codeai.dsl.program import Expression
from codeai.dsl.resolve import Function, Resolution, Variable, words

MOST_OPERATORS = 32
WALK = 8
"""Operators that one weighs as which may take as long as its operands are large."""
TEMPLATE = 4
"""Operators that text with values in it weighs as: it is bounded by the size of a string."""

Task: TypeAlias = Generator[Any, Any, Any]
"""A part of the compiler: yields the tasks whose results it needs, returns its own."""


def drive(task: Task) -> Any:
    """Runs a task and all that it waits for, without Python's stack."""
    waiting = [task]
    result: Any = None
    while waiting:
        try:
            waiting.append(waiting[-1].send(result))
            result = None
        except StopIteration as end:
            waiting.pop()
            result = end.value
    return result


@dataclass(frozen=True, slots=True)
class Fragment:
    """A pure expression with the weight of its operators and calls."""

    words: Expression
    operators: int = 0

    @property
    def steady(self) -> bool:
        """It cannot fail, and nothing that stands after it can change its value."""
        return len(self.words) == 2 and self.words[0] != "["


NULL = Fragment(["c", None])


class Fragments:
    """The instructions made so far, and what makes expressions into them. One instance a program."""

    def __init__(self, source: Source, resolution: Resolution) -> None:
        self._source = source
        self._resolution = resolution
        self.numbers = {name: number for number, name in enumerate(resolution.functions, 1)}
        self.code: list[list[Any]] = []
        self.lines: list[int] = []
        self.heights: list[int] = []
        self.starts: list[int] = []
        self.statement = 0
        self.function: Function | None = None
        self.height = 0
        self.temporaries = 0
        self.most_temporaries = 0

    # Instructions

    @property
    def here(self) -> int:
        return len(self.code)

    def emit(self, line: int, *instruction: Any) -> int:
        """Adds an instruction and gives its number."""
        self.code.append(list(instruction))
        self.lines.append(line)
        self.heights.append(self.height)
        self.starts.append(self.statement)
        return len(self.code) - 1

    def line(self, node: tree.Node) -> int:
        return self._source.position(node.start)[0]

    def slot(self, name: tree.Identifier) -> int:
        """The place of a variable of this frame."""
        return self._resolution.variables[name].slot + FIRST

    def place(self, variable: Variable) -> int:
        """The place of a variable; of the program's frame, seen from a function: as ~place."""
        slot = variable.slot + FIRST
        return slot if variable.function is self.function else ~slot

    def _temporary(self) -> int:
        size = self.function.frame if self.function else self._resolution.frame
        self.temporaries += 1
        self.most_temporaries = max(self.most_temporaries, self.temporaries)
        return FIRST + size + self.temporaries - 1

    def spilled(self, fragment: Fragment, line: int) -> Fragment:
        """The fragment's value in a temporary."""
        slot = self._temporary()
        self.emit(line, "set", slot, fragment.words)
        return Fragment(["t", slot])

    def _settled(self, fragment: Fragment, line: int) -> Fragment:
        return fragment if fragment.steady else self.spilled(fragment, line)

    # Pure expressions of a sensible size

    def flat(self, node: tree.Node) -> Fragment | None:
        """The expression as one fragment; None where it is not pure or too long."""
        words: Expression = []
        operators = 0
        todo: list[tree.Node | Expression] = [node]
        while todo:
            item = todo.pop()
            if isinstance(item, list):
                words += item
            elif isinstance(item, tree.Identifier):
                words += self._variable(item)
            elif isinstance(item, tree.StringLiteral | tree.NumberLiteral | tree.BoolLiteral):
                words += ("c", item.value)
            elif isinstance(item, tree.NullLiteral):
                words += ("c", None)
            else:
                form = self._form(item)
                if form is None:
                    return None
                last, children, counted = form
                operators += counted
                if operators > MOST_OPERATORS:
                    return None
                todo.append(last)
                todo.extend(reversed(children))
        return Fragment(words, operators)

    def _variable(self, node: tree.Identifier) -> Expression:
        variable = self._resolution.variables[node]
        if variable.function is self.function:
            return ["v", variable.slot + FIRST]
        return ["g", variable.slot + FIRST, variable.name, self.line(node)]

    def _form(self, node: tree.Node) -> tuple[Expression, Sequence[tree.Node], int] | None:
        """The last words of a node, the expressions whose values they take, and what the node weighs.
        None: it is not pure."""
        if isinstance(node, tree.Binary):
            both = (node.left, node.right)
            if node.operator == "and" or node.operator == "or":
                return [node.operator], both, 1
            return [node.operator, self.line(node)], both, _weight(node)
        if isinstance(node, tree.Member):
            return [".", node.name.name, self.line(node)], (node.subject,), 1
        if isinstance(node, tree.Index):
            return ["i", self.line(node)], (node.subject, node.index), 1
        if isinstance(node, tree.Call):
            if node.name.name not in BUILTINS:
                return None
            weight = WALK if BUILTINS[node.name.name].walks else 1
            return self._builtin(node), [argument.value for argument in node.arguments], weight
        if isinstance(node, tree.Template):
            return ["s", len(node.parts), self.line(node)], node.parts, TEMPLATE
        if isinstance(node, tree.ArrayLiteral):
            return ["[", len(node.items)], node.items, 0
        if isinstance(node, tree.MapLiteral):
            keys, children = _entries(node)
            return ["{", keys], children, 0
        if isinstance(node, tree.Unary):
            if node.operator == "-" and isinstance(node.operand, tree.NumberLiteral):
                return ["c", -node.operand.value], (), 0
            return ["neg" if node.operator == "-" else "not", self.line(node)], (node.operand,), 1
        return None

    def _builtin(self, node: tree.Call) -> Expression:
        name = node.name.name
        names = [argument.name.name for argument in node.arguments if argument.name is not None]
        found = places(BUILTINS[name], len(node.arguments) - len(names), names)
        assert found is not None, "the checker refuses it"
        return ["b", name, [[p.default] if isinstance(p, Parameter) else p for p in found], self.line(node)]

    # Any expression

    def value(self, node: tree.Node) -> Task:
        """The expression as a fragment, after the instructions that must run before."""
        found = self.flat(node)
        if found is not None:
            return found
        if isinstance(node, tree.Binary):
            return (yield self._binary(node))
        if isinstance(node, tree.Unary):
            return (yield self._unary(node))
        if isinstance(node, tree.Index | tree.Member):
            return (yield self._postfix(node))
        if isinstance(node, tree.Exec | tree.Parallel) or (
            isinstance(node, tree.Call) and node.name.name not in BUILTINS
        ):
            slot = self._temporary()
            yield self.action(node, slot)
            return Fragment(["t", slot])
        form = self._form(node)
        assert form is not None
        last, children, counted = form
        parts = yield self.sequence(children)
        return Fragment([word for part in parts for word in part.words] + last, counted + _operators(parts))

    def sequence(self, nodes: Sequence[tree.Node]) -> Task:
        """Fragments of expressions that are evaluated in this order."""
        parts = [self.flat(node) for node in nodes]
        last = max((at for at, part in enumerate(parts) if part is None), default=-1)
        done: list[Fragment] = []
        for at, (node, part) in enumerate(zip(nodes, parts, strict=True)):
            if part is None:
                part = yield self.value(node)
            done.append(self._settled(part, self.line(node)) if at < last else part)
        if _operators(done) < MOST_OPERATORS:
            return done
        return [self._settled(part, self.line(node)) for node, part in zip(nodes, done, strict=True)]

    def _binary(self, node: tree.Node) -> Task:
        chain: list[tree.Binary] = []
        while isinstance(node, tree.Binary):
            chain.append(node)
            node = node.left
        left = yield self.value(node)
        for one in reversed(chain):
            line = self.line(one)
            right = self.flat(one.right)
            logical = one.operator == "and" or one.operator == "or"
            if right is None and logical:
                left = yield self._either(one, left)
                continue
            if right is None:
                left = self._settled(left, line)
                right = yield self.value(one.right)
            if left.operators + right.operators >= MOST_OPERATORS:
                left = self._settled(left, line)
                if right.operators >= MOST_OPERATORS and not logical:
                    right = self._settled(right, line)
            last = [one.operator] if logical else [one.operator, line]
            left = Fragment(left.words + right.words + last, left.operators + right.operators + _weight(one))
        return left

    def _either(self, node: tree.Binary, left: Fragment) -> Task:
        """`and` or `or` whose second operand is not pure: it is jumped over where it is not needed."""
        line = self.line(node)
        slot = self._temporary()
        self.emit(line, "set", slot, left.words)
        test = ["v", slot] if node.operator == "and" else ["v", slot, "not", line]
        jump = self.emit(line, "branch", test, None)
        right = yield self.value(node.right)
        self.emit(line, "set", slot, right.words)
        self.code[jump][2] = self.here
        return Fragment(["t", slot])

    def _unary(self, node: tree.Node) -> Task:
        chain: list[tree.Unary] = []
        while isinstance(node, tree.Unary):
            chain.append(node)
            node = node.operand
        operand = yield self.value(node)
        for one in reversed(chain):
            if operand.operators >= MOST_OPERATORS:
                operand = self.spilled(operand, self.line(one))
            last = ["neg" if one.operator == "-" else "not", self.line(one)]
            operand = Fragment(operand.words + last, operand.operators + 1)
        return operand

    def _postfix(self, node: tree.Node) -> Task:
        chain: list[tree.Index | tree.Member] = []
        while isinstance(node, tree.Index | tree.Member):
            chain.append(node)
            node = node.subject
        subject = yield self.value(node)
        for one in reversed(chain):
            line = self.line(one)
            key = Fragment([])
            last: Expression = [".", one.name.name, line] if isinstance(one, tree.Member) else ["i", line]
            if isinstance(one, tree.Index):
                found = self.flat(one.index)
                if found is None:
                    subject = self._settled(subject, line)
                    found = yield self.value(one.index)
                key = found
            if subject.operators + key.operators >= MOST_OPERATORS:
                subject = self._settled(subject, line)
                if key.operators >= MOST_OPERATORS:
                    key = self._settled(key, line)
            subject = Fragment(subject.words + key.words + last, subject.operators + key.operators + 1)
        return subject

    # Calls and effects: instructions whose result goes to a slot

    def action(self, node: tree.Node, slot: int, assigned: str | None = None) -> Task:
        """A call or effect; `assigned` names the variable that is given all of its result."""
        if isinstance(node, tree.Exec):
            return (yield self._exec(node, slot, assigned))
        if isinstance(node, tree.Parallel):
            return (yield self.parallel(node, slot))
        assert isinstance(node, tree.Call)
        if node.name.name in EFFECTS:
            return (yield self._effect(node, slot))
        return (yield self._call(node, slot))

    def parallel(self, node: tree.Parallel, slot: int) -> Task:
        """Its body has statements: see `compile.py`."""
        raise NotImplementedError

    def _call(self, node: tree.Call, slot: int) -> Task:
        function = self._resolution.functions[node.name.name]
        parts = yield self.sequence([argument.value for argument in node.arguments])
        names = [argument.name.name if argument.name else None for argument in node.arguments]
        order = [function.parameters.index(name) if name else at for at, name in enumerate(names)]
        if order != sorted(order):  # they are still evaluated as they stand
            parts = [
                self._settled(part, self.line(argument.value))
                for part, argument in zip(parts, node.arguments, strict=True)
            ]
        given = [part.words for _, part in sorted(zip(order, parts, strict=True), key=lambda pair: pair[0])]
        self.emit(self.line(node), "call", self.numbers[function.name], given, slot)

    def _effect(self, node: tree.Call, slot: int) -> Task:
        effect = EFFECTS[node.name.name]
        names = [option.name for option in effect.options]
        by_place = sum(argument.name is None for argument in node.arguments)
        if effect.name == "log" and by_place == 1:
            names = ["text"]
        parts = yield self.sequence([argument.value for argument in node.arguments])
        given = [
            [argument.name.name if argument.name else names[at], part.words]
            for at, (argument, part) in enumerate(zip(node.arguments, parts, strict=True))
        ]
        if effect.name == "fail":
            self.emit(self.line(node), "fail", given[0][1])
        else:
            self.emit(self.line(node), "effect", effect.name, given, slot)

    def _exec(self, node: tree.Exec, slot: int, assigned: str | None) -> Task:
        undo = node.undo
        options = (*node.options, *(undo.options if undo else ()))
        parts = yield self.sequence([option.value for option in options])
        given = [[option.name.name, part.words] for option, part in zip(options, parts, strict=True)]
        own, others = given[: len(node.options)], given[len(node.options) :]
        entry = None
        if undo is not None:
            mentioned = [pair for pair in self._mentions(undo) if pair[0] != assigned]
            entry = [self.line(undo), undo.text, others, mentioned]
        if undo is None or assigned not in words(undo.text) or is_reserved(assigned):
            assigned = None
        self.emit(self.line(node), "exec", node.text, own, self._mentions(node), entry, assigned, slot)

    def _mentions(self, node: tree.Exec | tree.Undo) -> list[list[Any]]:
        return [
            [variable.name, self.place(variable)]
            for variable in self._resolution.mentions[node]
            if not is_reserved(variable.name)
        ]


def _weight(node: tree.Binary) -> int:
    """What is compared with a literal is not walked."""
    return WALK if WORDS[node.operator].walks and not isinstance(node.right, _LITERALS) else 1


_LITERALS = (tree.StringLiteral, tree.NumberLiteral, tree.BoolLiteral, tree.NullLiteral)


def _operators(parts: Sequence[Fragment]) -> int:
    return sum(part.operators for part in parts)


def _entries(node: tree.MapLiteral) -> tuple[list[str | None], list[tree.Node]]:
    """The keys of a map, null for one that is an expression and stands before its value."""
    keys: list[str | None] = []
    children: list[tree.Node] = []
    for entry in node.entries:
        if isinstance(entry.key, tree.StringLiteral):
            keys.append(entry.key.value)
        else:
            keys.append(None)
            children.append(entry.key)
        children.append(entry.value)
    return keys, children
