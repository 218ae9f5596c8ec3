"""The one canonical layout of a program, with its comments; the tree does not change.

The tokens are written anew: a statement a line, four blanks a level, a list on one line or an item a line (as
it was broken or not), shell bodies re-indented as a whole. A line that was broken at an operator stays so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from codeai.dsl import tree
from codeai.dsl.diagnostics import Diagnostic, Severity, Source
from codeai.dsl.lexer import OPERAND_ENDS, Token, comments
from codeai.dsl.parser import Parsed, parse
from codeai.dsl.shell_text import Body, read_body
from codeai.dsl.tree_walk import walk

INDENT = "    "
_OPERATORS = frozenset({"+", "-", "*", "/", "%", "==", "!=", "<", ">", "<=", ">=", "in", "and", "or"})
_CLOSING = frozenset({")", "]", "}"})
_JOINED_BEFORE = frozenset({")", "]", ",", ".", ":", ";", "STR_TEXT", "STR_END", "${"})
_JOINED_AFTER = frozenset({"(", "[", ".", "${", "STR_START", "STR_TEXT"})
_TAKE_LISTS = frozenset({"NAME", "exec", "undo", "parallel"})
_GO_ON = frozenset({"else", "catch", "undo", "SHELL"})
_BLANK_LINE = re.compile(r"\n[ \t\r\f\v]*\n")
_NOTHING: Token = ("", "", 0, 0)


@dataclass(frozen=True, slots=True)
class Formatted:
    """The layout; None where the program has syntax errors, which `diagnostics` tell."""

    text: str | None
    diagnostics: tuple[Diagnostic, ...]
    source: Source


def format_source(source: bytes | str) -> Formatted:
    """Never raises. Formatting what was formatted changes nothing."""
    parsed = parse(source)
    if parsed.tree is None or any(one.severity is Severity.ERROR for one in parsed.diagnostics):
        return Formatted(None, parsed.diagnostics, parsed.source)
    return Formatted(_Layout(parsed, parsed.tree).run(), parsed.diagnostics, parsed.source)


@dataclass(slots=True)
class _Gap:
    """What stands between two tokens that are written: comments as (text, whether on the line of what is
    before, whether after an empty line), whether lines end, whether the last of them is empty."""

    comments: list[tuple[str, bool, bool]] = field(default_factory=list)
    breaks: bool = False
    blank: bool = False

    def read(self, text: str, start: int, end: int) -> None:
        at = start
        for comment, offset in comments(text, start, end):
            trailing = not self.comments and start > 0 and "\n" not in text[start:offset]
            self.comments.append((comment, trailing, _BLANK_LINE.search(text, at, offset) is not None))
            at = offset + len(comment)
            self.blank = False
        self.breaks = self.breaks or text.find("\n", start, end) >= 0
        self.blank = self.blank or _BLANK_LINE.search(text, at, end) is not None


@dataclass(slots=True)
class _Bracket:
    """An open bracket. `outer` is the indentation of its line, `base` that of the statement or item in which
    it stands; a `broken` one has its contents on lines of their own."""

    kind: str  # block, list or group
    broken: bool
    outer: int
    base: int


class _Layout:
    def __init__(self, parsed: Parsed, program: tree.Program) -> None:
        self.text = parsed.source.text
        self.tokens = parsed.tokens
        self.statements = {one.start for one in program.params}
        self.bare_returns: set[int] = set()
        self.blocks: dict[int, bool] = {}  # their offset, whether on several lines
        for node in walk(program):
            if isinstance(node, tree.Program | tree.Block):
                self.statements.update(one.start for one in node.body)
            if isinstance(node, tree.Block):
                mark = "\n" if node.body else "#"
                self.blocks[node.start] = (
                    len(node.body) > 1 or self.text.find(mark, node.start, node.end) >= 0
                )
            elif isinstance(node, tree.Return) and node.value is None:
                self.bare_returns.add(node.start)
        self.broken = self._broken()
        self.lines: list[str] = []
        self.line: list[str] = []
        self.indent = 0  # of the line
        self.base = 0  # of the statement or item; its further lines stand one level deeper
        self.stack = [_Bracket("block", True, -1, 0)]
        self.fresh = True  # nothing was written yet in this block
        self.unary = False  # the last token was a sign

    def run(self) -> str:
        """The whole text."""
        gap = _Gap()
        at = 0
        before = _NOTHING
        for number, token in enumerate(self.tokens):
            kind = token[0]
            gap.read(self.text, at, token[2])
            at = token[3]
            if kind == ";" and not self._holds_return(number):
                continue
            if kind == ",":
                if self.stack[-1].broken or self.tokens[number + 1][0] not in _CLOSING:
                    self.line.append(",")
                    before = token
                continue
            self._place(before, token, gap)
            before, gap = token, _Gap()
        self._end_line()
        return "".join(one + "\n" for one in self.lines)

    def _holds_return(self, number: int) -> bool:
        """A `return` without value keeps its `;` where a statement follows, which it would take as value."""
        before = self.tokens[number - 1] if number else _NOTHING
        if before[0] != "return" or before[2] not in self.bare_returns:
            return False
        following = next(at for at in range(number, len(self.tokens)) if self.tokens[at][0] != ";")
        return self.tokens[following][0] not in ("}", "$END")

    def _broken(self) -> set[int]:
        """The lists and groups (by offset) in which a line ends after the bracket, after a comma, before one or
        before the end."""
        broken = set()
        opened: list[int] = []
        before = _NOTHING
        for token in self.tokens:
            kind = token[0]
            if opened and (before[0] in ("(", "[", "{", ",") or kind in _CLOSING or kind == ","):
                empty = before[2] == opened[-1] and kind in _CLOSING
                if self.text.find("#" if empty else "\n", before[3], token[2]) >= 0:
                    broken.add(opened[-1])
            if kind in ("(", "[", "{", "${"):
                opened.append(token[2])
            elif kind in _CLOSING:
                opened.pop()
            before = token
        return broken

    def _place(self, before: Token, token: Token, gap: _Gap) -> None:
        """Writes the comments before a token, then it, each on the line where it belongs."""
        kind, _, start, _ = token
        top = self.stack[-1]
        first = start in self.statements or kind == "$END"
        closes = kind in _CLOSING
        own_line = top.broken and (first or closes or (top.kind != "block" and self._begins_item(before)))
        if own_line:
            indent = self.base = top.outer + 1
            if closes and top.kind == "list" and before[0] not in ("(", "[", "{", ","):
                self.line.append(",")
        else:
            indent = self.base if kind in _GO_ON or start in self.blocks else self.base + 1
            at_operator = self._is_binary(before, token) or (before[0] in _OPERATORS and not self.unary)
            own_line = gap.breaks and at_operator
        wants_blank = top.kind == "block" and own_line
        for text, trailing, blank in gap.comments:
            if trailing and self.line:
                self.line.append("  " + text)
            else:
                self._new_line(indent, wants_blank and blank)
                self.line.append(text)
            self.fresh = False
        if kind == "$END":
            return
        if closes and top.broken:
            indent = top.outer
        if own_line or gap.comments:
            self._new_line(indent, wants_blank and gap.blank and not closes)
        elif self._spaced(before, token):
            self.line.append(" ")
        self._write(before, token)

    def _begins_item(self, before: Token) -> bool:
        return before[0] == "," or (before[0] in ("(", "[", "{") and before[2] in self.broken)

    def _is_binary(self, before: Token, token: Token) -> bool:
        return token[0] in _OPERATORS and before[0] in OPERAND_ENDS

    def _spaced(self, before: Token, token: Token) -> bool:
        kind, last = token[0], before[0]
        if kind == "." and last == "NUMBER":
            return True  # `1.b` would be no number
        if not self.line or kind in _JOINED_BEFORE or last in _JOINED_AFTER or self.unary:
            return False
        if kind == "}" or last == "{":
            return self.stack[-1].kind == "block"
        if kind == "(":
            return last not in _TAKE_LISTS
        return kind != "[" or last not in OPERAND_ENDS

    def _write(self, before: Token, token: Token) -> None:
        kind, value, start, end = token
        self.fresh = False
        self.unary = kind == "-" and before[0] not in OPERAND_ENDS
        if kind == "SHELL":
            self._shell(str(value), "\n" in self.text[start:end])
        else:
            self.line.append(self.text[start:end])
        if kind in ("(", "[", "{", "${"):
            self._open(before, token)
        elif kind in _CLOSING:
            self.base = self.stack.pop().base

    def _open(self, before: Token, token: Token) -> None:
        kind, _, start, _ = token
        if start in self.blocks:
            self.stack.append(_Bracket("block", self.blocks[start], self.indent, self.base))
            self.fresh = True
            return
        is_list = kind == "{" or (before[0] in _TAKE_LISTS if kind == "(" else before[0] not in OPERAND_ENDS)
        broken = kind != "${" and start in self.broken
        self.stack.append(_Bracket("list" if is_list else "group", broken, self.indent, self.base))

    def _shell(self, body: str, several: bool) -> None:
        if not several or not body:
            self.line.append(f"{{ {body} }}" if body else "{ }")
            return
        self.line.append("{")
        self._end_line()
        lead = INDENT * (self.indent + 1)
        *lines, last = body.removesuffix("\n").split("\n")
        self.lines += [lead + one if one else "" for one in lines]
        if "<<" in last and not isinstance(read_body(f"{{\n{body}\n}}", 0), Body):
            self.line.append(f"{INDENT}{last} }}")  # on the next line it would be in the here-document
            return
        self.lines.append(lead + last if last else "")
        self.line.append("}")

    def _end_line(self) -> None:
        if self.line:
            self.lines.append(INDENT * self.indent + "".join(self.line))
            self.line = []

    def _new_line(self, indent: int, blank: bool) -> None:
        self._end_line()
        self.indent = indent
        if blank and not self.fresh:
            self.lines.append("")
