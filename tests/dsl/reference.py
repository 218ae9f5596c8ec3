"""The language as a tree walk that is slow and obvious, to compare the machine with: no fibres, no limits.

Values are copied whole wherever they are stored, and effects are answered where they stand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codeai.dsl import operators, tree
from codeai.dsl.builtins import BUILTINS, Parameter, places
from codeai.dsl.check import check
from codeai.dsl.faults import Fault
from codeai.dsl.fragments import _entries
from codeai.dsl.operators import truth
from codeai.dsl.stored import decode, encode
from codeai.dsl.values import ErrorValue, ExecValue, Value, array, as_text, mapping, to_result

Command = Callable[[str, dict[str, Any]], ExecValue]


class Break(Exception):
    pass


class Continue(Exception):
    pass


class Return(Exception):
    def __init__(self, value: Value) -> None:
        self.value = value


def copied(value: Value) -> Value:
    return decode(encode(value))


class Reference:
    """Walks one program; `effects` has the text of every command and log line, in order."""

    def __init__(self, source: str, command: Command) -> None:
        self.checked = check(source)
        assert self.checked.tree is not None
        self.command = command
        self.effects: list[Any] = []
        self.functions = {
            node.name.name: node for node in self.checked.tree.body if isinstance(node, tree.FunctionDecl)
        }
        self.top: dict[str, Value] = {}

    def run(self) -> Any:
        """The program's result, or ("error", kind, line)."""
        program = self.checked.tree
        assert program is not None
        try:
            for param in program.params:
                assert param.default is not None
                self.top[param.name.name] = self.value(param.default, [self.top])
            self.statements(program.body, [self.top])
        except Return as end:
            return to_result(end.value)
        except Fault as fault:
            return ("error", fault.kind, fault.line)
        return None

    def line(self, node: tree.Node) -> int:
        return self.checked.source.position(node.start)[0]

    def block(self, body: tuple[tree.Node, ...], scopes: list[dict[str, Value]], **names: Value) -> None:
        self.statements(body, [*scopes, dict(names)])

    def statements(self, body: tuple[tree.Node, ...], scopes: list[dict[str, Value]]) -> None:
        for node in body:
            getattr(self, "_" + type(node).__name__.lower())(node, scopes)

    def _functiondecl(self, node: tree.FunctionDecl, scopes: Any) -> None:
        pass

    def _vardecl(self, node: tree.VarDecl, scopes: list[dict[str, Value]]) -> None:
        scopes[-1][node.name.name] = copied(self.value(node.value, scopes))

    def _assignment(self, node: tree.Assignment, scopes: list[dict[str, Value]]) -> None:
        keys: list[Value] = []
        path: list[tree.Node] = []
        target = node.target
        while isinstance(target, tree.Index | tree.Member):
            path.append(target)
            target = target.subject
        assert isinstance(target, tree.Identifier)
        for one in reversed(path):
            keys.append(self.value(one.index, scopes) if isinstance(one, tree.Index) else one.name.name)  # type: ignore[attr-defined]
        value = self.value(node.value, scopes)
        scope = next(scope for scope in reversed(scopes) if target.name in scope)
        try:
            scope[target.name] = self.changed(scope[target.name], keys, node.operator[:-1], copied(value))
        except Fault as fault:
            fault.line = fault.line or self.line(node)
            raise

    def changed(self, old: Value, keys: list[Value], operator: str, value: Value) -> Value:
        if not keys:
            return operators.BINARY[operator](old, value) if operator else value
        if not isinstance(old, list | dict):
            raise Fault("type_error", "no elements")
        new = copied(old)
        is_new = isinstance(old, dict) and len(keys) == 1 and not operator
        inner = None if is_new else operators.index(old, keys[0])
        operators.put(new, keys[0], self.changed(inner, keys[1:], operator, value))  # type: ignore[arg-type]
        return copied(new)

    def _if(self, node: tree.If, scopes: list[dict[str, Value]]) -> None:
        if truth(self.value(node.condition, scopes)):
            self.block(node.then.body, scopes)
        elif isinstance(node.orelse, tree.If):
            self._if(node.orelse, scopes)
        elif node.orelse is not None:
            self.block(node.orelse.body, scopes)

    def _while(self, node: tree.While, scopes: list[dict[str, Value]]) -> None:
        while truth(self.value(node.condition, scopes)):
            try:
                self.block(node.body.body, scopes)
            except Break:
                break
            except Continue:
                continue

    def _for(self, node: tree.For, scopes: list[dict[str, Value]]) -> None:
        value = copied(self.value(node.iterable, scopes))
        if not isinstance(value, list | dict):
            raise Fault("type_error", "no items", self.line(node.iterable))
        pairs = list(value.items() if isinstance(value, dict) else enumerate(value))
        for key, item in pairs:
            names = [name.name for name in node.names]
            one = key if isinstance(value, dict) and len(names) == 1 else item
            given = {names[-1]: copied(one)} | ({names[0]: key} if len(names) > 1 else {})
            try:
                self.block(node.body.body, scopes, **given)
            except Break:
                break
            except Continue:
                continue

    def _try(self, node: tree.Try, scopes: list[dict[str, Value]]) -> None:
        try:
            self.block(node.body.body, scopes)
        except Fault as fault:
            error = fault.error or ErrorValue(fault.kind, fault.message, fault.line)
            self.block(node.handler.body, scopes, **{node.name.name: error})

    def _break(self, node: tree.Node, scopes: Any) -> None:
        raise Break

    def _continue(self, node: tree.Node, scopes: Any) -> None:
        raise Continue

    def _return(self, node: tree.Return, scopes: list[dict[str, Value]]) -> None:
        raise Return(None if node.value is None else self.value(node.value, scopes))

    def _call(self, node: tree.Call, scopes: list[dict[str, Value]]) -> None:
        self.value(node, scopes)

    _exec = _call  # type: ignore[assignment]

    # Expressions

    def value(self, node: tree.Node, scopes: list[dict[str, Value]]) -> Value:
        try:
            return self.plain_value(node, scopes)
        except Fault as fault:
            fault.line = fault.line or self.line(node)
            raise

    def plain_value(self, node: tree.Node, scopes: list[dict[str, Value]]) -> Value:
        if isinstance(node, tree.Identifier):
            return next(scope[node.name] for scope in reversed(scopes) if node.name in scope)
        if isinstance(node, tree.NullLiteral):
            return None
        if isinstance(node, tree.StringLiteral | tree.NumberLiteral | tree.BoolLiteral):
            return node.value
        if isinstance(node, tree.ArrayLiteral):
            return array([copied(self.value(item, scopes)) for item in node.items])
        if isinstance(node, tree.MapLiteral):
            keys, children = _entries(node)
            assert None not in keys
            return mapping(
                [(str(key), copied(self.value(one, scopes))) for key, one in zip(keys, children, strict=True)]
            )
        if isinstance(node, tree.Template):
            return "".join([as_text(self.value(part, scopes)) for part in node.parts])
        if isinstance(node, tree.Unary):
            operand = self.value(node.operand, scopes)
            return operators.negate(operand) if node.operator == "-" else not truth(operand)
        if isinstance(node, tree.Binary):
            left = self.value(node.left, scopes)
            if node.operator == "and":
                return self.value(node.right, scopes) if truth(left) else left
            if node.operator == "or":
                return left if truth(left) else self.value(node.right, scopes)
            return operators.BINARY[node.operator](left, self.value(node.right, scopes))
        if isinstance(node, tree.Index):
            subject = self.value(node.subject, scopes)
            return operators.index(subject, self.value(node.index, scopes))
        if isinstance(node, tree.Member):
            return operators.member(self.value(node.subject, scopes), node.name.name)
        if isinstance(node, tree.Exec):
            return self.exec(node, scopes)
        assert isinstance(node, tree.Call)
        return self.call(node, scopes)

    def call(self, node: tree.Call, scopes: list[dict[str, Value]]) -> Value:
        given = [copied(self.value(argument.value, scopes)) for argument in node.arguments]
        name = node.name.name
        if name == "log":
            self.effects.append(to_result(given[0]) if isinstance(given[0], str) else as_text(given[0]))
            return None
        if name in BUILTINS:
            found = places(BUILTINS[name], len(given), [])
            assert found is not None
            return BUILTINS[name].function(
                *(p.default if isinstance(p, Parameter) else given[p] for p in found)
            )
        function = self.functions[name]
        own = {param.name.name: value for param, value in zip(function.params, given, strict=True)}
        try:
            self.statements(function.body.body, [self.top, own])
        except Return as end:
            return copied(end.value)
        return None

    def exec(self, node: tree.Exec, scopes: list[dict[str, Value]]) -> Value:
        seen: dict[str, Value] = {}
        for scope in scopes:
            seen |= scope
        check = True
        for option in node.options:
            check = bool(self.value(option.value, scopes))
        words = node.text.replace("$", " ").split()
        mentioned = {name: value for name, value in seen.items() if name in words and value is not None}
        result = self.command(node.text, mentioned)
        self.effects.append(result.stdout)
        if check and result.exit_code:
            message = f"the command ended with exit code {result.exit_code}"
            raise Fault("exec_failed", message, self.line(node))
        return result
