"""The syntax tree: immutable nodes with their span in the source.

A node is a plain class with slots (a frozen dataclass costs 2.4 µs each, a plain one 0.4). Nothing changes a
node after the parser made it; `start` and `end` are code-point offsets, lines are found when asked for.
Chains (`a + b + c …`, `else if …`) nest as deep as they are long, so nothing here recurses.
"""

from __future__ import annotations

from typing import ClassVar


class Node:
    """One node. `fields` names what it is made of, in the order of the source and of the constructor; equality
    is identity (see `equal`)."""

    __slots__ = ("end", "start")
    fields: ClassVar[tuple[str, ...]] = ()
    start: int
    end: int

    @property
    def node_type(self) -> str:
        return type(self).__name__


class Program(Node):
    """`params`, then `body`; function declarations stand among the statements."""

    __slots__ = ("body", "params")
    fields = ("params", "body")

    def __init__(self, params: tuple[Param, ...], body: tuple[Node, ...], start: int, end: int) -> None:
        self.params, self.body, self.start, self.end = params, body, start, end


class Param(Node):
    """An input of the program (`default` None: required), or a parameter of a function."""

    __slots__ = ("default", "name")
    fields = ("name", "default")

    def __init__(self, name: Identifier, default: Node | None, start: int, end: int) -> None:
        self.name, self.default, self.start, self.end = name, default, start, end


class VarDecl(Node):
    __slots__ = ("name", "value")
    fields = ("name", "value")

    def __init__(self, name: Identifier, value: Node, start: int, end: int) -> None:
        self.name, self.value, self.start, self.end = name, value, start, end


class FunctionDecl(Node):
    __slots__ = ("body", "name", "params")
    fields = ("name", "params", "body")

    def __init__(
        self, name: Identifier, params: tuple[Param, ...], body: Block, start: int, end: int
    ) -> None:
        self.name, self.params, self.body, self.start, self.end = name, params, body, start, end


class Assignment(Node):
    """`target` is an Identifier, Index or Member; `operator` one of `= += -= *= /=`."""

    __slots__ = ("operator", "target", "value")
    fields = ("target", "operator", "value")

    def __init__(self, target: Node, operator: str, value: Node, start: int, end: int) -> None:
        self.target, self.operator, self.value, self.start, self.end = target, operator, value, start, end


class Block(Node):
    __slots__ = ("body",)
    fields = ("body",)

    def __init__(self, body: tuple[Node, ...], start: int, end: int) -> None:
        self.body, self.start, self.end = body, start, end


class If(Node):
    """`orelse` is a Block, a further If (`else if`), or None."""

    __slots__ = ("condition", "orelse", "then")
    fields = ("condition", "then", "orelse")

    def __init__(self, condition: Node, then: Block, orelse: Block | If | None, start: int, end: int) -> None:
        self.condition, self.then, self.orelse, self.start, self.end = condition, then, orelse, start, end


class While(Node):
    __slots__ = ("body", "condition")
    fields = ("condition", "body")

    def __init__(self, condition: Node, body: Block, start: int, end: int) -> None:
        self.condition, self.body, self.start, self.end = condition, body, start, end


class For(Node):
    """`names` has one name (value, or a map's key) or two (index or key, then value)."""

    __slots__ = ("body", "iterable", "names")
    fields = ("names", "iterable", "body")

    def __init__(
        self, names: tuple[Identifier, ...], iterable: Node, body: Block, start: int, end: int
    ) -> None:
        self.names, self.iterable, self.body, self.start, self.end = names, iterable, body, start, end


class Parallel(Node):
    """A statement or an expression: each iteration is a fibre."""

    __slots__ = ("body", "iterable", "name", "options")
    fields = ("options", "name", "iterable", "body")

    def __init__(
        self, options: tuple[Option, ...], name: Identifier, iterable: Node, body: Block, start: int, end: int
    ) -> None:
        self.options, self.name, self.iterable, self.body = options, name, iterable, body
        self.start, self.end = start, end


class Try(Node):
    __slots__ = ("body", "handler", "name")
    fields = ("body", "name", "handler")

    def __init__(self, body: Block, name: Identifier, handler: Block, start: int, end: int) -> None:
        self.body, self.name, self.handler, self.start, self.end = body, name, handler, start, end


class Exec(Node):
    """A shell command (statement or expression); `text` is the dedented body."""

    __slots__ = ("options", "text", "undo")
    fields = ("options", "text", "undo")

    def __init__(
        self, options: tuple[Option, ...], text: str, undo: Undo | None, start: int, end: int
    ) -> None:
        self.options, self.text, self.undo, self.start, self.end = options, text, undo, start, end


class Undo(Node):
    """The compensation of the Exec that holds it."""

    __slots__ = ("options", "text")
    fields = ("options", "text")

    def __init__(self, options: tuple[Option, ...], text: str, start: int, end: int) -> None:
        self.options, self.text, self.start, self.end = options, text, start, end


class Option(Node):
    """`word: value` of exec, undo and parallel."""

    __slots__ = ("name", "value")
    fields = ("name", "value")

    def __init__(self, name: Identifier, value: Node, start: int, end: int) -> None:
        self.name, self.value, self.start, self.end = name, value, start, end


class Return(Node):
    __slots__ = ("value",)
    fields = ("value",)

    def __init__(self, value: Node | None, start: int, end: int) -> None:
        self.value, self.start, self.end = value, start, end


class Break(Node):
    __slots__ = ()

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end


class Continue(Node):
    __slots__ = ()

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end


class StringLiteral(Node):
    """A string without interpolation; `value` has its escapes resolved."""

    __slots__ = ("value",)
    fields = ("value",)

    def __init__(self, value: str, start: int, end: int) -> None:
        self.value, self.start, self.end = value, start, end


class NumberLiteral(Node):
    """`value` is an int (64-bit signed; `-9223372036854775808` is one literal) or a finite float."""

    __slots__ = ("value",)
    fields = ("value",)

    def __init__(self, value: int | float, start: int, end: int) -> None:
        self.value, self.start, self.end = value, start, end


class BoolLiteral(Node):
    __slots__ = ("value",)
    fields = ("value",)

    def __init__(self, value: bool, start: int, end: int) -> None:
        self.value, self.start, self.end = value, start, end


class NullLiteral(Node):
    __slots__ = ()

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end


class ArrayLiteral(Node):
    __slots__ = ("items",)
    fields = ("items",)

    def __init__(self, items: tuple[Node, ...], start: int, end: int) -> None:
        self.items, self.start, self.end = items, start, end


class MapLiteral(Node):
    __slots__ = ("entries",)
    fields = ("entries",)

    def __init__(self, entries: tuple[Entry, ...], start: int, end: int) -> None:
        self.entries, self.start, self.end = entries, start, end


class Entry(Node):
    """One `key: value` of a map; `key` is a StringLiteral (also for a bare word) or a Template."""

    __slots__ = ("key", "value")
    fields = ("key", "value")

    def __init__(self, key: StringLiteral | Template, value: Node, start: int, end: int) -> None:
        self.key, self.value, self.start, self.end = key, value, start, end


class Template(Node):
    """An interpolated string: StringLiterals (text) and expressions in turn."""

    __slots__ = ("parts",)
    fields = ("parts",)

    def __init__(self, parts: tuple[Node, ...], start: int, end: int) -> None:
        self.parts, self.start, self.end = parts, start, end


class Identifier(Node):
    __slots__ = ("name",)
    fields = ("name",)

    def __init__(self, name: str, start: int, end: int) -> None:
        self.name, self.start, self.end = name, start, end


class Call(Node):
    """A call of a user's function, a built-in or an effect (statement or expression)."""

    __slots__ = ("arguments", "name")
    fields = ("name", "arguments")

    def __init__(self, name: Identifier, arguments: tuple[Argument, ...], start: int, end: int) -> None:
        self.name, self.arguments, self.start, self.end = name, arguments, start, end


class Argument(Node):
    """One argument; `name` is None where it stands by position."""

    __slots__ = ("name", "value")
    fields = ("name", "value")

    def __init__(self, name: Identifier | None, value: Node, start: int, end: int) -> None:
        self.name, self.value, self.start, self.end = name, value, start, end


class Binary(Node):
    """`operator` is one of `or and == != < > <= >= in + - * / %`."""

    __slots__ = ("left", "operator", "right")
    fields = ("left", "operator", "right")

    def __init__(self, left: Node, operator: str, right: Node, start: int, end: int) -> None:
        self.left, self.operator, self.right, self.start, self.end = left, operator, right, start, end


class Unary(Node):
    """`operator` is `-` or `not`."""

    __slots__ = ("operand", "operator")
    fields = ("operator", "operand")

    def __init__(self, operator: str, operand: Node, start: int, end: int) -> None:
        self.operator, self.operand, self.start, self.end = operator, operand, start, end


class Index(Node):
    __slots__ = ("index", "subject")
    fields = ("subject", "index")

    def __init__(self, subject: Node, index: Node, start: int, end: int) -> None:
        self.subject, self.index, self.start, self.end = subject, index, start, end


class Member(Node):
    __slots__ = ("name", "subject")
    fields = ("subject", "name")

    def __init__(self, subject: Node, name: Identifier, start: int, end: int) -> None:
        self.subject, self.name, self.start, self.end = subject, name, start, end
