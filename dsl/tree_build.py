"""From the grammar's alternatives to nodes: one function each, by the names that grammar.lark gives them.

A function gets the values of the alternative's symbols and the span of all of them. A value is a token (a tuple,
and nothing else is one), a node or a list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codeai.dsl import tree
from codeai.dsl.diagnostics import Findings
from codeai.dsl.lexer import LARGEST_INTEGER

Make = Callable[[list[Any], int, int], Any]


def _identifier(token: Any) -> tree.Identifier:
    return tree.Identifier(token[1], token[2], token[3])


def _more(v: list[Any], _: int, __: int) -> Any:
    v[0].append(v[1])
    return v[0]


def _next(v: list[Any], _: int, __: int) -> Any:
    v[0].append(v[2])
    return v[0]


def _next_name(v: list[Any], _: int, __: int) -> Any:
    token = v[2]
    v[0].append(tree.Param(_identifier(token), None, token[2], token[3]))
    return v[0]


def _text(v: list[Any], _: int, __: int) -> Any:
    token = v[1]
    v[0].append(tree.StringLiteral(token[1], token[2], token[3]))
    return v[0]


def _function(v: list[Any], s: int, e: int) -> tree.Node:
    params = tuple(v[3]) if type(v[3]) is list else ()
    return tree.FunctionDecl(_identifier(v[1]), params, v[-1], s, e)


def _undone(v: list[Any], s: int, e: int) -> tree.Node:
    return tree.Exec(v[0].options, v[0].text, v[1], s, e)


_MAKERS: dict[str, Make] = {
    "nothing": lambda *_: [],
    "more": _more,
    "same": lambda v, *_: v[0],
    "first": lambda v, *_: [v[0]],
    "next": _next,
    "list": lambda v, *_: v[1] if len(v) > 2 else [],
    "param": lambda v, s, e: tree.Param(_identifier(v[1]), v[3] if len(v) > 2 else None, s, e),
    "var": lambda v, s, e: tree.VarDecl(_identifier(v[1]), v[3], s, e),
    "function": _function,
    "first_name": lambda v, s, e: [tree.Param(_identifier(v[0]), None, s, e)],
    "next_name": _next_name,
    "assign": lambda v, s, e: tree.Assignment(v[0], v[1][0], v[2], s, e),
    "identifier": lambda v, s, e: tree.Identifier(v[0][1], s, e),
    "index": lambda v, s, e: tree.Index(v[0], v[2], s, e),
    "member": lambda v, s, e: tree.Member(v[0], _identifier(v[2]), s, e),
    "if": lambda v, s, e: tree.If(v[1], v[2], v[4] if len(v) > 3 else None, s, e),
    "while": lambda v, s, e: tree.While(v[1], v[2], s, e),
    "for": lambda v, s, e: tree.For((_identifier(v[1]),), v[3], v[4], s, e),
    "for_two": lambda v, s, e: tree.For((_identifier(v[1]), _identifier(v[3])), v[5], v[6], s, e),
    "parallel": lambda v, s, e: tree.Parallel((), _identifier(v[2]), v[4], v[5], s, e),
    "parallel_options": lambda v, s, e: tree.Parallel(tuple(v[1]), _identifier(v[3]), v[5], v[6], s, e),
    "try": lambda v, s, e: tree.Try(v[1], _identifier(v[3]), v[4], s, e),
    "return": lambda v, s, e: tree.Return(v[1] if len(v) > 1 else None, s, e),
    "break": lambda _, s, e: tree.Break(s, e),
    "continue": lambda _, s, e: tree.Continue(s, e),
    "undone": _undone,
    "exec": lambda v, s, e: tree.Exec(tuple(v[1]) if len(v) > 2 else (), v[-1][1], None, s, e),
    "undo": lambda v, s, e: tree.Undo(tuple(v[1]) if len(v) > 2 else (), v[-1][1], s, e),
    "option": lambda v, s, e: tree.Option(_identifier(v[0]), v[2], s, e),
    "binary": lambda v, s, e: tree.Binary(v[0], v[1][0], v[2], s, e),
    "true": lambda _, s, e: tree.BoolLiteral(True, s, e),
    "false": lambda _, s, e: tree.BoolLiteral(False, s, e),
    "null": lambda _, s, e: tree.NullLiteral(s, e),
    "string": lambda v, s, e: tree.StringLiteral(v[0][1], s, e),
    "template": lambda v, s, e: tree.Template(tuple(v[1]), s, e),
    "text": _text,
    "interpolation": _next,
    "call": lambda v, s, e: tree.Call(_identifier(v[0]), tuple(v[2]) if len(v) > 3 else (), s, e),
    "positional": lambda v, s, e: tree.Argument(None, v[0], s, e),
    "named": lambda v, s, e: tree.Argument(_identifier(v[0]), v[2], s, e),
    "array": lambda v, s, e: tree.ArrayLiteral(tuple(v[1]) if len(v) > 2 else (), s, e),
    "map": lambda v, s, e: tree.MapLiteral(tuple(v[1]) if len(v) > 2 else (), s, e),
    "word_entry": lambda v, s, e: tree.Entry(tree.StringLiteral(v[0][1], v[0][2], v[0][3]), v[2], s, e),
    "string_entry": lambda v, s, e: tree.Entry(v[0], v[2], s, e),
    "expression": lambda v, *_: v[0],
}


class Builder:
    """The functions of one parse; those that can find something wrong report it."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.large: dict[int, tree.Node] = {}  # 2^63: right only after a minus
        self.makers: dict[str, Make] = {
            **_MAKERS,
            "program": self._program,
            "block": self._block,
            "number": self._number,
            "unary": self._unary,
            "inner": self._inner,
        }

    def finish(self) -> None:
        """Reports what only the whole program shows to be wrong."""
        for node in self.large.values():
            self._too_large(node)

    def _program(self, v: list[Any], _: int, __: int) -> tree.Node:
        params: list[tree.Param] = []
        body: list[tree.Node] = []
        for one in v[0]:
            if type(one) is not tree.Param:
                body.append(one)
                continue
            if body:
                self.findings.add("param_placement", one.start, one.end)
            params.append(one)
        return tree.Program(tuple(params), tuple(body), 0, len(self.findings.source.text))

    def _block(self, v: list[Any], s: int, e: int) -> tree.Node:
        for one in v[1]:
            if type(one) is tree.Param:
                self.findings.add("param_placement", one.start, one.end)
        return tree.Block(tuple(one for one in v[1] if type(one) is not tree.Param), s, e)

    def _number(self, v: list[Any], s: int, e: int) -> tree.Node:
        node = tree.NumberLiteral(v[0][1], s, e)
        if node.value == LARGEST_INTEGER + 1 and type(node.value) is int:
            self.large[s] = node
        return node

    def _unary(self, v: list[Any], s: int, e: int) -> tree.Node:
        operand: tree.Node = v[1]
        if self.large and v[0][0] == "-" and self.large.get(operand.start) is operand:
            del self.large[operand.start]
            return tree.NumberLiteral(-LARGEST_INTEGER - 1, s, e)
        return tree.Unary(v[0][0], operand, s, e)

    def _inner(self, v: list[Any], _: int, __: int) -> tree.Node:
        node: tree.Node = v[1]
        if self.large and self.large.get(node.start) is node:
            del self.large[node.start]
            self._too_large(node)
        return node

    def _too_large(self, node: tree.Node) -> None:
        text = self.findings.source.text[node.start : node.end]
        self.findings.add("number_too_large", node.start, node.end, found=f"`{text}`")
