"""Warnings: programs that run, but hardly as they were meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from codeai.dsl import tree
from codeai.dsl.diagnostics import Findings
from codeai.dsl.envnames import is_reserved

_LEAVES = {tree.Return: "`return`", tree.Break: "`break`", tree.Continue: "`continue`"}
_LATER_LINE = re.compile(r"[ \t\r]*(?:#[^\n]*)?\n")


class StyleChecks:
    """Looks at one node at a time."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self._visits: dict[type[tree.Node], Callable[[Any], None]] = {
            tree.Program: lambda node: self._body(node.body),
            tree.Block: lambda node: self._body(node.body),
            tree.Param: lambda node: self._name(node.name),
            tree.VarDecl: lambda node: self._name(node.name),
            tree.Parallel: lambda node: self._name(node.name),
            tree.Try: lambda node: self._name(node.name),
            tree.For: self._for,
            tree.If: lambda node: self._condition(node.condition),
            tree.While: lambda node: self._condition(node.condition),
            tree.Return: self._return,
        }

    def visit(self, node: tree.Node) -> None:
        visit = self._visits.get(type(node))
        if visit is not None:
            visit(node)

    def _body(self, body: tuple[tree.Node, ...]) -> None:
        """The first statement after one that always leaves (functions may stand anywhere)."""
        leaves = ""
        for node in body:
            if leaves and not isinstance(node, tree.FunctionDecl):
                self.findings.add("unreachable", node.start, node.end, found=leaves)
                return
            leaves = leaves or _LEAVES.get(type(node), "")
            if isinstance(node, tree.Call) and node.name.name == "fail":
                leaves = leaves or "`fail`"

    def _name(self, name: tree.Identifier) -> None:
        if name.name != "_" and is_reserved(name.name):
            hint = "choose another name, or pass it by `env:`"
            self.findings.add("reserved_name", name.start, name.end, hint, name=name.name)

    def _for(self, node: tree.For) -> None:
        for name in node.names:
            self._name(name)

    def _condition(self, condition: tree.Node) -> None:
        """An exec that decides, alone or under `not`, `and`, `or`."""
        ahead = [condition]
        while ahead:
            node = ahead.pop()
            if isinstance(node, tree.Unary) and node.operator == "not":
                ahead.append(node.operand)
            elif isinstance(node, tree.Binary) and node.operator in ("and", "or"):
                ahead += (node.right, node.left)
            elif isinstance(node, tree.Exec) and not _says_check(node):
                hint = "give it the option `check: false`"
                self.findings.add("exec_condition", node.start, node.start + len("exec"), hint)

    def _return(self, node: tree.Return) -> None:
        value = node.value
        if value is not None and _LATER_LINE.match(self.findings.source.text, node.start + len("return")):
            hint = "write `return;` to return nothing, or begin the value on the line of `return`"
            self.findings.add("return_later_line", value.start, value.end, hint)


def _says_check(node: tree.Exec) -> bool:
    """Whether its `check` may be false."""
    return any(
        option.name.name == "check"
        and not (isinstance(option.value, tree.BoolLiteral) and option.value.value)
        for option in node.options
    )
