"""A program as an editor holds it: its tokens, what every name in it means, what is wrong with it.

It may be half written. The names come from the tree, which has every statement that could be read, and the
resolver; a `var` in a statement that could not be read is taken from the tokens.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from codeai.dsl import tree
from codeai.dsl.check import checked
from codeai.dsl.diagnostics import Diagnostic, Findings, Source
from codeai.dsl.editor_words import ERROR
from codeai.dsl.lexer import KEYWORDS, Lexed, Token, lex
from codeai.dsl.parser import parse
from codeai.dsl.resolve import Resolution
from codeai.dsl.tree_walk import walk

WORD = re.compile(r"[A-Za-z0-9_]+")


class Kind(StrEnum):
    """What a name is, in words."""

    INPUT = "input of the program"
    VARIABLE = "variable"
    LOOP = "variable of the loop"
    PARAMETER = "parameter"
    CAUGHT = "caught error"
    FUNCTION = "function"


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A declaration: the place of its name, and from where to where it is seen; a `top` one is seen in every
    function, too. `node` is what declares it (None: only its tokens are known)."""

    name: str
    kind: Kind
    start: int
    since: int
    until: int
    top: bool = False
    node: tree.Node | None = None

    @property
    def end(self) -> int:
        return self.start + len(self.name)

    @property
    def holds(self) -> str:
        """The effect whose result it is, by its declaration; empty where that is not known."""
        if self.kind is Kind.CAUGHT:
            return ERROR
        value = self.node.value if isinstance(self.node, tree.VarDecl) else None
        if isinstance(value, tree.Call):
            return value.name.name
        return "exec" if isinstance(value, tree.Exec) else ""


@dataclass(frozen=True, slots=True)
class Document:
    """`names` are the variables by their name, `uses` gives for the offset of a name in the code what it
    means, `bodies` are the spans of the functions' blocks."""

    source: Source
    tokens: tuple[Token, ...]
    diagnostics: tuple[Diagnostic, ...]
    names: dict[str, list[Name]] = field(default_factory=dict)
    functions: dict[str, Name] = field(default_factory=dict)
    uses: dict[int, Name] = field(default_factory=dict)
    bodies: list[tuple[int, int]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.source.text

    def token_at(self, offset: int) -> int:
        """The number of the token that an offset is in, or else just behind; -1: there is none."""
        at = bisect_right(self.tokens, offset, key=lambda token: token[2]) - 1
        if at > 0 and self.tokens[at][0] not in _WORDS and self.tokens[at - 1][3] == offset:
            at -= self.tokens[at - 1][0] in _WORDS
        return at if at >= 0 and self.tokens[at][2] <= offset <= self.tokens[at][3] else -1

    def lookup(self, name: str, offset: int) -> Name | None:
        """The variable that a name means at an offset."""
        in_function = self._in_function(offset)
        seen = [one for one in self.names.get(name, ()) if _is_seen(one, offset, in_function)]
        return max(seen, key=_nearness, default=None)

    def visible(self, offset: int) -> list[Name]:
        """The variables that can be read at an offset."""
        in_function = self._in_function(offset)
        found = []
        for same in self.names.values():
            seen = [one for one in same if _is_seen(one, offset, in_function)]
            found += [max(seen, key=_nearness)] if seen else []
        return found

    def means(self, at: int) -> Name | None:
        """What the name at token number `at` means; by its looks where its statement could not be read."""
        kind, value, start, _ = self.tokens[at]
        if start in self.uses or kind != "NAME":
            return self.uses.get(start)
        before, after = self.tokens[at - 1][0] if at else "", self.tokens[at + 1][0]
        if before == "." or after == ":":
            return None
        return self.functions.get(str(value)) if after == "(" else self.lookup(str(value), start)

    def mentions(self, name: str) -> Iterator[tuple[int, Name]]:
        """The places in shell texts where a word is one of the variables `name`: `lookup` of each, in one pass."""
        pattern = as_word(name)
        ahead = sorted(self.names.get(name, ()), key=lambda one: -one.since)
        top = next((one for one in ahead if one.top), None)
        seen: list[Name] = []  # those that have begun, each within the one before
        for kind, _, start, end in self.tokens:
            if kind != "SHELL":
                continue
            while ahead and ahead[-1].since <= start:
                _leave(seen, ahead[-1].since)
                seen.append(ahead.pop())
            _leave(seen, start)
            meant = seen[-1] if seen else top if self._in_function(start) else None
            if meant is not None:
                yield from ((found.start(), meant) for found in pattern.finditer(self.text, start, end))

    def word_at(self, token: Token, offset: int) -> re.Match[str] | None:
        """The word of a shell text that an offset is in or just behind."""
        start = offset
        while start > token[2] and WORD.match(self.text[start - 1]):
            start -= 1
        return WORD.match(self.text, start, token[3])

    def _in_function(self, offset: int) -> bool:
        at = bisect_right(self.bodies, (offset, len(self.text) + 1)) - 1
        return at >= 0 and offset < self.bodies[at][1]


def read(text: str) -> Document:
    """A program, checked; never raises, whatever the text."""
    parsed = parse(text)
    result = checked(parsed)
    document = Document(parsed.source, parsed.tokens, result.diagnostics)
    if result.tree is not None and result.resolution is not None:
        _Names(document, result.tree, result.resolution).collect()
    return document


def as_word(name: str) -> re.Pattern[str]:
    """Finds a name where it is a word of a shell text."""
    return re.compile(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])")


def begun(text: str) -> Lexed:
    """The tokens of the beginning of a program."""
    return lex(Findings(Source(text)))


_WORDS = frozenset({"NAME", "SHELL", *KEYWORDS})


def _is_seen(name: Name, offset: int, in_function: bool) -> bool:
    return (name.top and in_function) or name.since <= offset < name.until


def _leave(seen: list[Name], offset: int) -> None:
    while seen and seen[-1].until <= offset:
        seen.pop()


def _nearness(name: Name) -> tuple[bool, int]:
    return not name.top, name.since


class _Names:
    """Collects the names of a program into its document."""

    def __init__(self, document: Document, program: tree.Program, resolution: Resolution) -> None:
        self.document = document
        self.program = program
        self.resolution = resolution
        self.end = len(document.text) + 1
        self.blocks = [(0, self.end)]
        # The parser closes what is open at the end by a `}` without width.
        self.is_open = len(document.tokens) > 1 and document.tokens[-2][2] == document.tokens[-2][3]
        self.declared: dict[int, Name] = {}
        self.calls: list[tree.Call] = []

    def collect(self) -> None:
        for node in walk(self.program):
            self._node(node)
        uses = self.document.uses
        uses |= self.declared
        for identifier, variable in self.resolution.variables.items():
            if variable.node.start in self.declared:
                uses[identifier.start] = self.declared[variable.node.start]
        for call in self.calls:
            self._call(call)
        for name in list(self._unread()):
            self._add(name)
            uses[name.start] = name

    def _add(self, name: Name) -> None:
        self.declared[name.start] = name
        if name.kind is Kind.FUNCTION:
            self.document.functions.setdefault(name.name, name)
        else:
            self.document.names.setdefault(name.name, []).append(name)

    def _declare(self, kind: Kind, name: tree.Identifier, block: tree.Block, node: tree.Node) -> None:
        self._add(Name(name.name, kind, name.start, block.start, self._until(block), node=node))

    def _until(self, block: tree.Block) -> int:
        at_end = self.is_open and block.end == len(self.document.text)
        return self.end if at_end else block.end

    def _node(self, node: tree.Node) -> None:
        if isinstance(node, tree.Program):
            for param in node.params:
                self._add(
                    Name(param.name.name, Kind.INPUT, param.name.start, param.end, self.end, True, param)
                )
            self._variables(node.body, self.end, top=True)
        elif isinstance(node, tree.Block):
            self.blocks.append((node.start, self._until(node)))
            self._variables(node.body, self._until(node), top=False)
        elif isinstance(node, tree.For):
            for name in node.names:
                self._declare(Kind.LOOP, name, node.body, node)
        elif isinstance(node, tree.Parallel):
            self._declare(Kind.LOOP, node.name, node.body, node)
        elif isinstance(node, tree.Try):
            self._declare(Kind.CAUGHT, node.name, node.handler, node)
        elif isinstance(node, tree.FunctionDecl):
            self._add(Name(node.name.name, Kind.FUNCTION, node.name.start, 0, self.end, True, node))
            self.document.bodies.append((node.body.start, self._until(node.body)))
            for param in node.params:
                self._declare(Kind.PARAMETER, param.name, node.body, param)
        elif isinstance(node, tree.Call):
            self.calls.append(node)

    def _variables(self, body: tuple[tree.Node, ...], until: int, top: bool) -> None:
        known: set[str] = set()
        for node in body:
            if isinstance(node, tree.VarDecl) and node.name.name not in known:
                known.add(node.name.name)  # another of that name in this block is an error, and this one
                value = node.value
                # The undo of `var x = exec … undo { $x }` sees the exec's result by that name.
                undo = value.undo if isinstance(value, tree.Exec) else None
                since = undo.start if undo is not None else node.end
                self._add(Name(node.name.name, Kind.VARIABLE, node.name.start, since, until, top, node))

    def _unread(self) -> Iterator[Name]:
        """The variables of statements that could not be read: seen from the next line on."""
        tokens, text = self.document.tokens, self.document.text
        for (kind, *_), (following, name, start, end) in pairwise(tokens):
            if kind == "var" and following == "NAME" and start not in self.document.uses:
                line_end = text.find("\n", end)
                block = min((one for one in self.blocks if one[0] <= start < one[1]), key=_size)
                since = line_end if line_end >= 0 else self.end
                yield Name(str(name), Kind.VARIABLE, start, since, block[1], block[0] == 0)

    def _call(self, call: tree.Call) -> None:
        function = self.document.functions.get(call.name.name)
        if function is None:
            return
        self.document.uses[call.name.start] = function
        assert isinstance(function.node, tree.FunctionDecl)
        parameters = {one.name.name: self.declared[one.name.start] for one in function.node.params}
        for argument in call.arguments:
            if argument.name is not None and argument.name.name in parameters:
                self.document.uses[argument.name.start] = parameters[argument.name.name]


def _size(span: tuple[int, int]) -> int:
    return span[1] - span[0]
