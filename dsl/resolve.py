"""Names become slots, once: which variable or function every name means, and what is wrong with names.

A frame is a flat list of variables; a block's variables stand above those of the block around it, and the next
block takes the same places. The pass keeps its own stack, so that no program is too deep for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from codeai.dsl import tree
from codeai.dsl.builtins import BUILTINS
from codeai.dsl.diagnostics import Diagnostic, Findings, Source
from codeai.dsl.effects import EFFECTS

LOOP_SLOTS = 3
"""Places that a `for` keeps for itself, below its names."""
_WORD = re.compile(r"[A-Za-z0-9_]+")


@dataclass(slots=True, eq=False)
class Variable:
    """One variable. `slot` is its place in the frame of `function` (None: of the program); a `top` one is seen
    by functions too; `fibre` is how many parallels it stands in."""

    name: str
    slot: int
    function: Function | None
    top: bool
    fibre: int
    node: tree.Identifier
    used: bool = False


@dataclass(slots=True, eq=False)
class Function:
    """A user's function; its parameters are the first variables of its frame."""

    name: str
    node: tree.FunctionDecl
    parameters: tuple[str, ...]
    frame: int = 0


@dataclass(slots=True)
class Resolution:
    """What the names of a program mean. `variables` has every identifier that stands for a variable, where it
    is declared, read or assigned; `mentions` the variables whose name occurs in a shell text; `loops` the first
    of the places that each `for` has for itself; `frame` the variables of the program itself."""

    variables: dict[tree.Identifier, Variable] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    mentions: dict[tree.Exec | tree.Undo, tuple[Variable, ...]] = field(default_factory=dict)
    loops: dict[tree.For, int] = field(default_factory=dict)
    frame: int = 0
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(slots=True)
class _Scope:
    """`kind` says what `break` and `continue` mean in it; `later` has the names that it will declare."""

    parent: _Scope | None
    function: Function | None
    next: int
    fibre: int = 0
    kind: str = "block"
    names: dict[str, Variable] = field(default_factory=dict)
    later: frozenset[str] = frozenset()


def words(text: str) -> list[str]:
    """The words of a shell text, each once, in order."""
    return list(dict.fromkeys(_WORD.findall(text)))


def resolve(program: tree.Program, source: Source) -> Resolution:
    """What every name of `program` means. Never raises: what is wrong is in the diagnostics."""
    return _Resolver(source).program(program)


class _Resolver:
    def __init__(self, source: Source) -> None:
        self._result = Resolution()
        self._findings = Findings(source)
        self._top = self._scope = _Scope(None, None, 0)
        self._stack: list[tree.Node | Callable[[], None]] = []
        self._locals: list[Variable] = []

    # The walk: nodes and things to do after them, last in first out

    def program(self, program: tree.Program) -> Resolution:
        self._functions(program)
        self._top.later = _declared(program.params) | _declared(program.body)
        self._run((*program.params, *program.body))
        self._result.frame = max(self._result.frame, self._top.next)
        for function in self._result.functions.values():
            self._function(function)
        self._unused()
        self._result.diagnostics = tuple(self._findings.found)
        return self._result

    def _run(self, items: Iterable[tree.Node | Callable[[], None]]) -> None:
        stack = self._stack
        stack.extend(reversed(tuple(items)))
        while stack:
            item = stack.pop()
            if isinstance(item, tree.Node):
                visit = _VISIT.get(type(item))
                if visit is not None:
                    visit(self, item)
            else:
                item()

    def _then(self, *items: tree.Node | Callable[[], None] | None) -> None:
        self._stack.extend(item for item in reversed(items) if item is not None)

    def _open(self, kind: str = "block", body: tuple[tree.Node, ...] = ()) -> None:
        outer = self._scope
        fibre = outer.fibre + (kind == "parallel")
        self._scope = _Scope(outer, outer.function, outer.next, fibre, kind, later=_declared(body))

    def _close(self) -> None:
        assert self._scope.parent is not None
        self._scope = self._scope.parent

    def _take(self, count: int) -> int:
        """Reserves places in the frame and gives the first."""
        scope = self._scope
        first, scope.next = scope.next, scope.next + count
        if scope.function is None:
            self._result.frame = max(self._result.frame, scope.next)
        else:
            scope.function.frame = max(scope.function.frame, scope.next)
        return first

    # Declarations

    def _functions(self, program: tree.Program) -> None:
        for node in program.body:
            if not isinstance(node, tree.FunctionDecl):
                continue
            name = node.name.name
            if name in BUILTINS or name in EFFECTS:
                what = "a built-in function" if name in BUILTINS else "an effect"
                self._report("builtin_name", node.name, name=name, what=what)
            elif name in self._result.functions:
                self._report("function_twice", node.name, name=name)
            else:
                parameters = tuple(parameter.name.name for parameter in node.params)
                self._result.functions[name] = Function(name, node, parameters)

    def _function(self, function: Function) -> None:
        body = function.node.body.body
        self._scope = _Scope(None, function, 0, kind="function", later=_declared(body))
        for parameter in function.node.params:
            self._declare(parameter.name, quiet=True)
        self._run(body)

    def _declare(self, name: tree.Identifier, quiet: bool = False) -> None:
        """A new variable in the scope; not `quiet`: by `var`, so hiding is warned about."""
        scope = self._scope
        known = scope.names.get(name.name)
        if known is not None:
            line, _ = self._findings.source.position(known.node.start)
            self._report("redeclared", name, name=name.name, line=line)
            self._result.variables[name] = known
            return
        hidden = None if quiet else self._find(name.name)
        if hidden is not None and name.name != "_":
            line, _ = self._findings.source.position(hidden.node.start)
            self._report("hides", name, name=name.name, line=line)
        slot = self._take(1)
        variable = Variable(name.name, slot, scope.function, scope is self._top, scope.fibre, name)
        scope.names[name.name] = self._result.variables[name] = variable
        if not quiet and scope.function is not None:
            self._locals.append(variable)

    def _unused(self) -> None:
        for variable in self._locals:
            if not variable.used and variable.name != "_":
                self._report("unused", variable.node, name=variable.name)

    # Names

    def _find(self, name: str) -> Variable | None:
        scope: _Scope | None = self._scope
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return self._top.names.get(name) if self._scope.function is not None else None

    def _read(self, node: tree.Identifier) -> None:
        variable = self._find(node.name)
        if variable is None:
            self._unknown(node)
            return
        variable.used = True
        self._result.variables[node] = variable

    def _unknown(self, node: tree.Identifier) -> None:
        scope: _Scope | None = self._scope
        while scope is not None:
            if node.name in scope.later:
                self._report("later_name", node, name=node.name)
                return
            scope = scope.parent
        if node.name in self._result.functions or node.name in BUILTINS:
            hint = f"{node.name} is a function: call it, as in {node.name}(...)"
        else:
            known = chain(self._visible(), ("null", "true", "false"))
            hint = self._findings.did_you_mean(node.name, known)
        self._report("unknown_name", node, hint, name=node.name)

    def _visible(self) -> Iterator[str]:
        """The names that can be read here; made only as far as they are asked for."""
        scope: _Scope | None = self._scope
        while scope is not None:
            yield from scope.names
            scope = scope.parent
        if self._scope.function is not None:
            yield from self._top.names

    def _report(self, code: str, node: tree.Node, hint: str = "", **values: object) -> None:
        self._findings.add(code, node.start, node.end, hint, **values)

    # Statements

    def _param(self, node: tree.Param) -> None:
        self._then(node.default, lambda: self._declare(node.name, quiet=True))

    def _var(self, node: tree.VarDecl) -> None:
        self._then(node.value, lambda: self._declare(node.name))

    def _assignment(self, node: tree.Assignment) -> None:
        target, keys = node.target, []
        while isinstance(target, tree.Index | tree.Member):
            if isinstance(target, tree.Index):
                keys.append(target.index)
            target = target.subject
        assert isinstance(target, tree.Identifier)
        self._assign(target, read=node.operator != "=" or target is not node.target)
        self._then(*reversed(keys), node.value)

    def _assign(self, target: tree.Identifier, read: bool) -> None:
        """`read`: the old value is part of the new one."""
        variable = self._find(target.name)
        if variable is None:
            self._unknown(target)
            return
        self._result.variables[target] = variable
        variable.used = variable.used or read
        if variable.function is not self._scope.function:
            self._report("function_assigns", target, name=target.name)
        elif variable.fibre < self._scope.fibre:
            self._report("parallel_assigns", target, name=target.name)

    def _block(self, node: tree.Block) -> None:
        self._open(body=node.body)
        self._then(*node.body, self._close)

    def _if(self, node: tree.If) -> None:
        self._then(node.condition, node.then, node.orelse)

    def _while(self, node: tree.While) -> None:
        self._then(node.condition, lambda: self._open("loop", node.body.body), *node.body.body, self._close)

    def _for(self, node: tree.For) -> None:
        def enter() -> None:
            self._open("loop", node.body.body)
            self._result.loops[node] = self._take(LOOP_SLOTS)
            for name in node.names:
                self._declare(name, quiet=True)

        self._then(node.iterable, enter, *node.body.body, self._close)

    def _parallel(self, node: tree.Parallel) -> None:
        def enter() -> None:
            self._open("parallel", node.body.body)
            self._declare(node.name, quiet=True)

        options = (option.value for option in node.options)
        self._then(*options, node.iterable, enter, *node.body.body, self._close)

    def _try(self, node: tree.Try) -> None:
        def enter() -> None:
            self._open(body=node.handler.body)
            self._declare(node.name, quiet=True)

        self._then(node.body, enter, *node.handler.body, self._close)

    def _jump(self, node: tree.Break | tree.Continue) -> None:
        scope: _Scope | None = self._scope
        while scope is not None and scope.kind == "block":
            scope = scope.parent
        word = "break" if isinstance(node, tree.Break) else "continue"
        if scope is None or scope.kind == "function":
            self._report("no_loop", node, word=word)
        elif scope.kind == "parallel" and word == "break":
            self._report("parallel_break", node)

    def _nested_function(self, node: tree.FunctionDecl) -> None:
        if self._scope is not self._top:
            self._report("function_placement", node.name, name=node.name.name)

    # Expressions

    def _exec(self, node: tree.Exec) -> None:
        self._mention(node)
        self._then(*(option.value for option in node.options), node.undo)

    def _undo(self, node: tree.Undo) -> None:
        self._mention(node)
        self._then(*(option.value for option in node.options))

    def _mention(self, node: tree.Exec | tree.Undo) -> None:
        found = [variable for word in words(node.text) if (variable := self._find(word)) is not None]
        for variable in found:
            variable.used = True
        self._result.mentions[node] = tuple(found)

    def _call(self, node: tree.Call) -> None:
        name = node.name.name
        function = self._result.functions.get(name)
        if function is not None:
            self._arguments(node, function)
        elif name not in BUILTINS and name not in EFFECTS:
            known = chain(self._result.functions, BUILTINS, EFFECTS)
            self._report("unknown_function", node.name, self._findings.did_you_mean(name, known), name=name)
        self._then(*(argument.value for argument in node.arguments))

    def _arguments(self, node: tree.Call, function: Function) -> None:
        names = [argument.name for argument in node.arguments if argument.name is not None]
        if any(argument.name is None for argument in node.arguments[len(node.arguments) - len(names) :]):
            return  # one by position after one by name: check_calls.py says so
        given = set(function.parameters[: len(node.arguments) - len(names)])
        for name in names:
            if name.name not in function.parameters:
                hint = self._findings.did_you_mean(name.name, function.parameters)
                self._report("unknown_argument", name, hint, form=function.name, name=name.name)
                return
            if name.name in given:
                self._report("duplicate_argument", name, name=name.name)
                return
            given.add(name.name)
        wanted = len(set(function.parameters))
        if len(given) != wanted or len(node.arguments) > len(function.parameters):
            expected = f"{wanted} argument{'s' * (wanted != 1)} ({', '.join(function.parameters)})"
            expected = expected if wanted else "no arguments"
            self._report(
                "wrong_arguments", node.name, form=function.name, expected=expected, found=len(node.arguments)
            )

    def _children(self, node: tree.Node) -> None:
        for name in reversed(node.fields):
            child = getattr(node, name)
            if isinstance(child, tree.Node):
                self._stack.append(child)
            elif isinstance(child, tuple):
                self._stack.extend(reversed(child))

    def _member(self, node: tree.Member) -> None:
        self._stack.append(node.subject)

    def _binary(self, node: tree.Binary) -> None:
        self._stack.append(node.right)
        self._stack.append(node.left)


def _declared(body: tuple[tree.Node, ...]) -> frozenset[str]:
    return frozenset(node.name.name for node in body if isinstance(node, tree.VarDecl | tree.Param))


_VISIT: dict[type[tree.Node], Callable[..., None]] = {
    tree.Param: _Resolver._param,
    tree.VarDecl: _Resolver._var,
    tree.Assignment: _Resolver._assignment,
    tree.Block: _Resolver._block,
    tree.If: _Resolver._if,
    tree.While: _Resolver._while,
    tree.For: _Resolver._for,
    tree.Parallel: _Resolver._parallel,
    tree.Try: _Resolver._try,
    tree.Return: _Resolver._children,
    tree.Break: _Resolver._jump,
    tree.Continue: _Resolver._jump,
    tree.FunctionDecl: _Resolver._nested_function,
    tree.Exec: _Resolver._exec,
    tree.Undo: _Resolver._undo,
    tree.Call: _Resolver._call,
    tree.Identifier: _Resolver._read,
    tree.Binary: _Resolver._binary,
    tree.Member: _Resolver._member,
    tree.Unary: _Resolver._children,
    tree.Index: _Resolver._children,
    tree.ArrayLiteral: _Resolver._children,
    tree.MapLiteral: _Resolver._children,
    tree.Entry: _Resolver._children,
    tree.Template: _Resolver._children,
}
