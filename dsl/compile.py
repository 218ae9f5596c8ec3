"""A checked tree becomes a flat list of instructions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from codeai.dsl import tree
from codeai.dsl.builtins import BUILTINS
from codeai.dsl.check import Checked, check
from codeai.dsl.diagnostics import Diagnostic, Source
from codeai.dsl.fragments import NULL, Fragments, Task, drive
from codeai.dsl.opcodes import FIRST, NOWHERE
from codeai.dsl.program import LEVEL, Code, Param, Unit
from codeai.dsl.resolve import LOOP_SLOTS, Resolution, Variable

NO_HANDLER = -1
Spans = dict[tree.Node, tuple[int, int]]
"""The instructions of each statement and block, without the one at the end."""
_OPEN = -1
"""The end of a name that is still in scope."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A program's code (None: it has errors) and its diagnostics."""

    code: Code | None
    diagnostics: tuple[Diagnostic, ...]


def compile_source(source: bytes | str) -> Compiled:
    """Checks a program's text, and compiles it where it has no error. Never raises, whatever the text."""
    checked = check(source)
    return Compiled(None if checked.errors else compile_program(checked), checked.diagnostics)


def compile_program(checked: Checked) -> Code:
    """The code of a program in which the checker found no error."""
    assert checked.tree is not None and checked.resolution is not None
    return compile_tree(checked.tree, checked.resolution, checked.source)


def laid_out(checked: Checked) -> tuple[Code, Spans]:
    """The code of such a program, and where in it each statement is."""
    assert checked.tree is not None and checked.resolution is not None
    compiler = _Compiler(checked.source, checked.resolution)
    return compiler.program(checked.tree), compiler.spans


def compile_tree(program: tree.Program, resolution: Resolution, source: Source) -> Code:
    """The code of a program in which the checker found no error."""
    return _Compiler(source, resolution).program(program)


@dataclass(slots=True)
class _Loop:
    """What `break` and `continue` jump to; `again` is None in a parallel, where `continue` ends the fibre."""

    again: int | None
    breaks: list[int] = field(default_factory=list)


class _Compiler(Fragments):
    def __init__(self, source: Source, resolution: Resolution) -> None:
        super().__init__(source, resolution)
        self._source = source
        self._loops: list[_Loop] = []
        self._tries: list[list[int]] = []
        self._names: list[list[object]] = []
        self.spans: Spans = {}

    def program(self, program: tree.Program) -> Code:
        resolution = self._resolution
        self.height = len(program.params)
        for param in program.params:
            self._param(param)
        drive(self._statements(program))
        self.emit(self._last_line(program), "return", NULL.words)
        self._forget(0)
        units = [
            Unit("", 0, len(program.params), resolution.frame, self.most_temporaries),
            *(self._function(name) for name in resolution.functions),
        ]
        params = tuple(self._declared(param) for param in program.params)
        return Code(
            LEVEL,
            params,
            tuple(units),
            self.code,
            self.lines,
            self.heights,
            self._tries,
            self._names,
            self.starts,
        )

    def _function(self, name: str) -> Unit:
        function = self.function = self._resolution.functions[name]
        entry, self.most_temporaries = self.here, 0
        self.statement = entry
        self.height = len(function.parameters)
        known = len(self._names)
        for parameter in function.node.params:
            self._name(self._resolution.variables[parameter.name])
        drive(self._statements(function.node.body))
        self.emit(self._last_line(function.node), "return", NULL.words)
        self._forget(known)
        return Unit(name, entry, len(function.parameters), function.frame, self.most_temporaries)

    def _last_line(self, node: tree.Node) -> int:
        return self._source.position(max(node.start, node.end - 1))[0]

    # Inputs

    def _param(self, node: tree.Param) -> None:
        slot, self.statement = self.slot(node.name), self.here
        if node.default is not None:
            skip = self.emit(self.line(node), "given", slot, None)
            value = drive(self.value(node.default))
            self.emit(self.line(node.default), "set", slot, value.words)
            self.code[skip][2] = self.here
        self._name(self._resolution.variables[node.name])

    def _declared(self, node: tree.Param) -> Param:
        line, column = self._source.position(node.name.start)
        return Param(node.name.name, line, column, node.default is None, _type_of(node.default))

    # Names, for who looks at a run

    def _name(self, variable: Variable) -> None:
        self._names.append([variable.slot + FIRST, variable.name, self.here, _OPEN])

    def _forget(self, known: int) -> None:
        """The names from number `known` on end here."""
        for name in self._names[known:]:
            if name[3] == _OPEN:
                name[3] = self.here

    # Statements

    def _statements(self, block: tree.Program | tree.Block) -> Task:
        height, known, around, first = self.height, len(self._names), self.statement, self.here
        for node in block.body:
            self.temporaries = 0
            begin = self.statement = self.here
            make = _STATEMENTS.get(type(node))
            if make is not None:
                yield make(self, node)
            self.spans[node] = begin, self.here
        self.spans[block] = first, self.here
        self.statement = around
        self._forget(known)
        self.height = height

    def _var(self, node: tree.VarDecl) -> Task:
        variable = self._resolution.variables[node.name]
        yield self._given(node.name, node.value, variable.slot + 1)
        self._name(variable)

    def _given(self, name: tree.Identifier, value: tree.Node, height: int) -> Task:
        """The variable is given a value; `height` variables are alive then."""
        slot = self.slot(name)
        if _is_action(value):
            yield self.action(value, slot, name.name)
            self.height = height
            return
        made = yield self.value(value)
        self.height = height
        self.emit(self.line(value), "set", slot, made.words)

    def _assignment(self, node: tree.Assignment) -> Task:
        target, line = node.target, self.line(node)
        if not isinstance(target, tree.Identifier):
            yield self._element(node)
        elif node.operator != "=":
            made = yield self.value(node.value)
            self.emit(line, "change", self.slot(target), node.operator[:-1], made.words)
        elif (item := self._appended(target, node.value)) is not None:
            made = yield self.value(item)
            self.emit(line, "push", self.slot(target), made.words, self.line(node.value))
        elif self._is_added(target, node.value):
            made = yield self.value(node.value)
            kind = "add" if made.words[:2] == ["v", self.slot(target)] else "set"
            self.emit(self.line(node.value), kind, self.slot(target), made.words)
        else:
            yield self._given(target, node.value, self.height)

    def _is_added(self, target: tree.Identifier, value: tree.Node) -> bool:
        """Whether this is `target = target + …` with one `+`."""
        if not isinstance(value, tree.Binary) or value.operator != "+":
            return False
        variables = self._resolution.variables
        return isinstance(value.left, tree.Identifier) and variables[value.left] is variables[target]

    def _appended(self, target: tree.Identifier, value: tree.Node) -> tree.Node | None:
        """The item of `target = append(target, item)`."""
        if not isinstance(value, tree.Call) or value.name.name != "append":
            return None
        if any(argument.name is not None for argument in value.arguments):
            return None
        array, item = (argument.value for argument in value.arguments)
        variables = self._resolution.variables
        if isinstance(array, tree.Identifier) and variables[array] is variables[target]:
            return item
        return None

    def _element(self, node: tree.Assignment) -> Task:
        keys: list[tree.Node] = []
        target = node.target
        while isinstance(target, tree.Index | tree.Member):
            if isinstance(target, tree.Index):
                keys.append(target.index)
            else:
                keys.append(tree.StringLiteral(target.name.name, target.name.start, target.name.end))
            target = target.subject
        assert isinstance(target, tree.Identifier)
        *path, value = yield self.sequence([*reversed(keys), node.value])
        operator = node.operator[:-1]
        self.emit(
            self.line(node), "put", self.slot(target), [key.words for key in path], operator, value.words
        )

    def _if(self, node: tree.If) -> Task:
        ends: list[int] = []
        begins: list[tuple[tree.If, int]] = []
        last: tree.Node | None = node
        while isinstance(last, tree.If):
            begins.append((last, self.here))
            condition = yield self.value(last.condition)
            jump = self.emit(self.line(last.condition), "branch", condition.words, None)
            yield self._statements(last.then)
            self.temporaries = 0
            last = last.orelse
            if last is not None:
                ends.append(self.emit(self.lines[-1], "jump", None))
            self.code[jump][2] = self.here
        if isinstance(last, tree.Block):
            yield self._statements(last)
        for end in ends:
            self.code[end][1] = self.here
        for one, begin in begins:
            self.spans[one] = begin, self.here

    def _while(self, node: tree.While) -> Task:
        line = self.line(node.condition)
        again = self.here
        if self.flat(node.condition) is None:
            self.emit(line, "loop")
        condition = yield self.value(node.condition)
        kind = "while" if self.here == again else "branch"
        head = self.emit(line, kind, condition.words, None)
        yield self._body(node.body, again, head, 2)

    def _body(self, body: tree.Block, again: int, head: int, operand: int) -> Task:
        """A loop's body, the jump back, and where the loop at `head` ends."""
        loop = _Loop(again)
        self._loops.append(loop)
        yield self._statements(body)
        self._loops.pop()
        self.emit(self.lines[-1], "jump", again)
        self.code[head][operand] = self.here
        for jump in loop.breaks:
            self.code[jump][1] = self.here

    def _for(self, node: tree.For) -> Task:
        line, height = self.line(node.iterable), self.height
        first = FIRST + self._resolution.loops[node]
        source = first + LOOP_SLOTS - 1
        counts = _range_arguments(node)
        variable = self._walked(node)
        alive = first - FIRST + LOOP_SLOTS
        if counts is not None:
            parts = yield self.sequence(counts)
            self.height = alive
            self.emit(line, "count", first, [part.words for part in parts])
        elif variable is not None:
            source = self.place(variable)
            self.height = alive
            self.emit(line, "over", first, source, variable.name)
        else:
            made = yield self.value(node.iterable)
            self.height = alive
            self.emit(line, "for", first, made.words)
        names = [self.slot(name) for name in node.names]
        if counts is not None:
            head = self.emit(line, "step", first, names[0], None)
        else:
            head = self.emit(line, "next", first, source, names, None)
        known = len(self._names)
        for name in node.names:
            self._name(self._resolution.variables[name])
        self.height += len(names)
        yield self._body(node.body, head, head, 3 if counts is not None else 4)
        self._forget(known)
        self.height = height

    def _walked(self, node: tree.For) -> Variable | None:
        """The variable that a loop walks, where nothing in the loop can change it."""
        if not isinstance(node.iterable, tree.Identifier):
            return None
        variable = self._resolution.variables[node.iterable]
        todo: list[tree.Node] = [node.body]
        while todo:
            one = todo.pop()
            if isinstance(one, tree.Assignment):
                target = one.target
                while isinstance(target, tree.Index | tree.Member):
                    target = target.subject
                if isinstance(target, tree.Identifier) and self._resolution.variables[target] is variable:
                    return None
            for name in one.fields if isinstance(one, _WITH_STATEMENTS) else ():
                child = getattr(one, name)
                if isinstance(child, tree.Node):
                    todo.append(child)
                elif isinstance(child, tuple):
                    todo.extend(child)
        return variable

    def parallel(self, node: tree.Parallel, slot: int) -> Task:
        parts = yield self.sequence([*(option.value for option in node.options), node.iterable])
        options = [
            [option.name.name, part.words] for option, part in zip(node.options, parts[:-1], strict=True)
        ]
        item = self._resolution.variables[node.name]
        line = self.line(node)
        start = self.emit(line, "parallel", parts[-1].words, options, item.slot + FIRST, None, slot)
        self._tries.append([self.here, 0, NO_HANDLER, 0])
        number = len(self._tries) - 1
        height, temporaries, known = self.height, self.temporaries, len(self._names)
        self.height = item.slot + 1
        self._name(item)
        self._loops.append(_Loop(None))
        yield self._statements(node.body)
        self._loops.pop()
        self.emit(self._last_line(node), "return", NULL.words)
        self._forget(known)
        self.height, self.temporaries = height, temporaries
        self._tries[number][1] = self.code[start][4] = self.here

    def _try(self, node: tree.Try) -> Task:
        error = self._resolution.variables[node.name]
        self._tries.append([self.here, 0, 0, error.slot + FIRST])
        number = len(self._tries) - 1
        yield self._statements(node.body)
        self._tries[number][1] = self.here
        jump = self.emit(self.lines[-1] if self.lines else self.line(node), "jump", None)
        self._tries[number][2] = self.here
        height, known = self.height, len(self._names)
        self.height = error.slot + 1
        self._name(error)
        yield self._statements(node.handler)
        self._forget(known)
        self.height = height
        self.code[jump][1] = self.here

    def _return(self, node: tree.Return) -> Task:
        made = NULL
        if node.value is not None:
            made = yield self.value(node.value)
        self.emit(self.line(node.value or node), "return", made.words)

    def _break(self, node: tree.Break) -> Task:
        self._loops[-1].breaks.append(self.emit(self.line(node), "jump", None))
        yield from ()

    def _continue(self, node: tree.Continue) -> Task:
        again = self._loops[-1].again
        if again is None:
            self.emit(self.line(node), "return", NULL.words)
        else:
            self.emit(self.line(node), "jump", again)
        yield from ()

    def _alone(self, node: tree.Node) -> Task:
        """A call or an effect as a statement."""
        if _is_action(node):
            yield self.action(node, NOWHERE)
        else:
            made = yield self.value(node)
            self.emit(self.line(node), "drop", made.words)

    def _nested(self, node: tree.Block) -> Task:
        yield self._statements(node)


def _is_action(node: tree.Node) -> bool:
    if isinstance(node, tree.Call):
        return node.name.name not in BUILTINS
    return isinstance(node, tree.Exec | tree.Parallel)


def _range_arguments(node: tree.For) -> list[tree.Node] | None:
    """The arguments where a loop with one name walks `range(…)`: no array is made then."""
    call = node.iterable
    if not isinstance(call, tree.Call) or call.name.name != "range" or len(node.names) > 1:
        return None
    if any(argument.name is not None for argument in call.arguments):
        return None
    return [argument.value for argument in call.arguments]


def _type_of(default: tree.Node | None) -> str | None:
    if isinstance(default, tree.Unary) and default.operator == "-":
        default = default.operand
    if isinstance(default, tree.NumberLiteral):
        return "integer" if isinstance(default.value, int) else "float"
    return _LITERALS.get(type(default))


_LITERALS: dict[type, str] = {
    tree.StringLiteral: "string",
    tree.Template: "string",
    tree.BoolLiteral: "bool",
    tree.ArrayLiteral: "array",
    tree.MapLiteral: "map",
}
_WITH_STATEMENTS = (tree.Block, tree.If, tree.While, tree.For, tree.Try)
_STATEMENTS: dict[type[tree.Node], Callable[..., Task]] = {
    tree.VarDecl: _Compiler._var,
    tree.Assignment: _Compiler._assignment,
    tree.If: _Compiler._if,
    tree.While: _Compiler._while,
    tree.For: _Compiler._for,
    tree.Parallel: _Compiler._alone,
    tree.Try: _Compiler._try,
    tree.Exec: _Compiler._alone,
    tree.Call: _Compiler._alone,
    tree.Return: _Compiler._return,
    tree.Break: _Compiler._break,
    tree.Continue: _Compiler._continue,
    tree.Block: _Compiler._nested,
}
