"""Tokens to the syntax tree: the LALR table's loop, and how it goes on after an error.

After an unexpected token the parser drops the statement it is in, up to the next one of the same block. The
brackets, which the lexer has paired, tell where that is; nothing here recurses, and clean files pay nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from typing import Any

from codeai.dsl import tree
from codeai.dsl.diagnostics import Diagnostic, Findings, Severity, Source
from codeai.dsl.expected import COMPARISONS, expected, found, hint
from codeai.dsl.grammar_table import ACTIONS, END, GOTO, RULES, START
from codeai.dsl.lexer import BEGINNINGS, KEYWORDS, MOST_REPORTED, OPEN, Lexed, Token, lex
from codeai.dsl.source_text import read_source
from codeai.dsl.tree_build import Builder

_CLOSE = frozenset(OPEN.values())
_BLOCKS = frozenset({"if", "else", "for", "while", "function", "parallel", "try", "catch"})


@dataclass(frozen=True, slots=True)
class Parsed:
    """A program's tree as far as it could be read (None: not at all). From offset `lost` on it is not all
    there; `diagnostics` are in the order of the text."""

    tree: tree.Program | None
    diagnostics: tuple[Diagnostic, ...]
    source: Source
    tokens: tuple[Token, ...] = ()
    lost: int | None = None


@dataclass(frozen=True, slots=True)
class ParsedExpression:
    """One expression by itself; `tree` is None if anything is wrong with it."""

    tree: tree.Node | None
    diagnostics: tuple[Diagnostic, ...]
    source: Source


def parse(source: bytes | str) -> Parsed:
    """The program's tree and every independent syntax error (at most 50). Never raises, whatever the input."""
    findings, readable = read_source(source)
    if not readable:
        return Parsed(None, tuple(findings.found), findings.source)
    lexed = lex(findings)
    parser = Parser(lexed, findings, "program")
    program: tree.Program | None = parser.run()
    parser.builder.finish()
    return Parsed(program, _ordered(findings), findings.source, tuple(lexed.tokens), parser.lost)


def parse_expression(source: str) -> ParsedExpression:
    """The tree of one expression. Never raises."""
    findings, readable = read_source(source)
    node: tree.Node | None = None
    if readable:
        parser = Parser(lex(findings), findings, "expression")
        node = parser.run()
        parser.builder.finish()
    wrong = any(one.severity is Severity.ERROR for one in findings.found)
    return ParsedExpression(None if wrong else node, _ordered(findings), findings.source)


def _ordered(findings: Findings) -> tuple[Diagnostic, ...]:
    """By place; of the errors the first 50."""
    errors = 0
    kept = []
    for one in sorted(findings.found, key=lambda one: (one.line, one.column)):
        errors += one.severity is Severity.ERROR
        if errors <= MOST_REPORTED or one.severity is Severity.WARNING:
            kept.append(one)
    return tuple(kept)


@cache
def _settled(state: int) -> int | None:
    """The one reduction that a state has, where nothing can be shifted: it is right whatever token follows, and
    brings the parser to where what follows is wrong."""
    choices = set(ACTIONS[state].values())
    action = choices.pop() if len(choices) == 1 else 0
    return action if action < 0 and RULES[~action][0] not in START else None


class Parser:
    """The loop over one source's tokens, for one goal of the grammar."""

    def __init__(self, lexed: Lexed, findings: Findings, start: str) -> None:
        self.tokens = lexed.tokens
        self.pairs = lexed.pairs
        self.cut = lexed.cut
        self.findings = findings
        self.builder = Builder(findings)
        self.goal = start
        self.states = [START[start]]
        self.values: list[Any] = []
        self.starts: list[int] = []
        self.at = 0
        self.lost: int | None = None
        self.errors = 0

    def run(self) -> Any:
        """The value of the goal; None where no statement list is left to go on in."""
        rules = [(side, length, self.builder.makers[name] if name else None) for side, length, name in RULES]
        actions, goto, end_state = ACTIONS, GOTO, END[self.goal]
        states, values, starts, tokens = self.states, self.values, self.starts, self.tokens
        last_end = 0
        token = tokens[0]
        while True:
            action = actions[states[-1]].get(token[0])
            if action is None and (action := _settled(states[-1])) is None:
                if not self.recover():
                    return None
                token = self.tokens[self.at]
            elif action >= 0:
                states.append(action)
                values.append(token)
                starts.append(token[2])
                last_end = token[3]
                self.at += 1
                token = tokens[self.at]
            else:
                side, length, make = rules[~action]
                if make is None:
                    states[-1] = goto[states[-2]][side]
                    continue
                if length:
                    first = len(values) - length
                    parts = values[first:]
                    del values[first:], states[first + 1 :], starts[first + 1 :]
                    values.append(make(parts, starts[first], last_end))
                else:
                    values.append(make([], 0, 0))
                    starts.append(token[2])
                states.append(goto[states[-1]][side])
                if states[-1] == end_state:
                    return values[-1]

    def accepts(self, kind: str) -> bool:
        """Whether a token of this type may come next: the table's moves, without making them."""
        states, base = self.states, len(self.states)
        over: list[int] = []
        state = states[-1]
        while True:
            action = ACTIONS[state].get(kind)
            if action is None:
                return False
            if action >= 0:
                return True
            side, length, _ = RULES[~action]
            for _ in range(length):
                if over:
                    over.pop()
                else:
                    base -= 1
            state = GOTO[over[-1] if over else states[base - 1]][side]
            if state == END[self.goal]:
                return kind == "$END"
            over.append(state)

    def recover(self) -> bool:
        """Reports the token that does not fit and goes on at the next statement; False to give up."""
        token = self.tokens[self.at]
        dropped = self.statement_list()
        if token[0] != "?" and not (self.cut and token[0] == "$END"):
            self.report(token, dropped or 1)
        if self.lost is None:
            self.lost = self.starts[1] if len(self.starts) > 1 else token[2]
        self.errors += 1
        if dropped is None or self.errors > 4 * MOST_REPORTED:
            return False
        if token[0] == "$END":
            self.cut = True  # one report for all that is open
        self.drop(dropped)
        return True

    def statement_list(self) -> int | None:
        """How many states stay when all of the innermost statement is dropped."""
        for kept in range(len(self.states), 0, -1):
            to = GOTO[self.states[kept - 1]]
            if "statement" in to or "statements" in to:
                return kept
        return None

    def drop(self, kept: int) -> None:
        """Drops what stands above the statement list, and the tokens up to the next statement."""
        values, pairs = self.values[kept - 1 :], self.pairs
        del self.values[kept - 1 :], self.starts[kept - 1 :], self.states[kept:]
        tokens, at = self.tokens, self.at
        if "statements" in GOTO[self.states[-1]]:  # the list has not begun yet
            self.states.append(GOTO[self.states[-1]]["statements"])
            self.values.append([])
            self.starts.append(tokens[at][2])
        acceptable = ACTIONS[self.states[-1]]
        if tokens[at][0] == "$END":
            if "$END" not in acceptable:
                end = tokens[at][2]
                tokens.insert(at, ("}", "}", end, end))
            return
        header = bool(values) and type(values[0]) is tuple and values[0][0] in _BLOCKS
        closing = {
            pairs[one[2]] for one in values if type(one) is tuple and one[0] in OPEN and one[2] in pairs
        }
        header = header or tokens[at][0] in _BLOCKS
        inside: list[int] = sorted(closing, reverse=True)
        if inside and header and self.is_block(at):
            self.forget(inside.pop())
        while True:
            kind, _, start, _ = tokens[at]
            if kind == "$END":
                break
            if inside:
                if start >= inside[-1]:
                    inside.pop()
                elif kind in OPEN and start in pairs and pairs[start] < inside[-1]:
                    inside.append(pairs[start])
                at += 1
                continue
            if kind in OPEN and start in pairs:
                if kind == "{" and header and self.is_block(at + 1):
                    self.forget(pairs[start])
                    at += 1
                    header = False
                    continue
                inside.append(pairs[start])
            elif kind in acceptable and self.may_begin(at):
                break
            at += 1
        self.at = at

    def forget(self, closing: int) -> None:
        """Takes out a closing bracket, by its offset, because what it closes was dropped; once."""
        place = bisect_left(self.tokens, closing, key=lambda token: token[2])
        if self.tokens[place][2] == closing and self.tokens[place][0] in _CLOSE:
            del self.tokens[place]

    def may_begin(self, at: int) -> bool:
        """Whether a statement may be taken up at a token that could begin one: a name must be the first on its
        line, and so must the very token that was wrong."""
        kind = self.tokens[at][0]
        return kind in ("}", ";") or (kind != "NAME" and at != self.at) or self.is_first(at)

    def is_first(self, at: int) -> bool:
        """Whether a token is the first on its line."""
        before = self.tokens[at - 1][3] if at else 0
        return at == 0 or self.findings.source.text.find("\n", before, self.tokens[at][2]) >= 0

    def is_block(self, at: int) -> bool:
        """Whether what follows a brace looks like statements rather than a map's keys."""
        kind = self.tokens[at][0]
        if kind == "NAME":
            return self.tokens[at + 1][0] != ":"
        return kind in KEYWORDS or kind == ";"

    def report(self, token: Token, kept: int) -> None:
        """Says what is wrong with a token; `kept` is where the statement that it stands in begins."""
        if len(self.findings.found) >= 2 * MOST_REPORTED:
            return
        text, findings = self.findings.source.text, self.findings
        kind, _, start, end = token
        first = self.is_first(self.at)
        opened = self.unclosed(0 if kind == "$END" else kept - 1) if first or kind == "$END" else None
        if opened is not None:
            code = "unclosed_string" if opened[0] == "STR_START" else "unclosed_bracket"
            findings.add(code, opened[2], opened[3], found=f"`{opened[0]}`")
            return
        if kind in COMPARISONS and self.accepts("+") and not self.accepts("=="):
            findings.add("comparison_chain", start, end, "join them with `and`", found=f"`{kind}`")
            return
        words = found(token, text)
        if kind == "$END" or (first and kind in BEGINNINGS and not self.accepts("var")):
            line, _ = findings.source.position(start)
            start = end = self.tokens[self.at - 1][3] if self.at else 0  # where something is missing
            words += "" if kind == "$END" else f" on line {line}"
        meant = hint(self.tokens, self.at, text, self.accepts)
        findings.add("syntax", start, end, meant, found=words, expected=expected(self.accepts))

    def unclosed(self, first: int) -> Token | None:
        """The innermost bracket that is open here, from value `first` on, and never closed (of an interpolation:
        its string)."""
        inner = None
        for place in range(len(self.values) - 1, first - 1, -1):
            value = self.values[place]
            if type(value) is not tuple:
                continue
            if inner is not None and value[0] == "STR_START":
                return value
            if inner is None and value[0] in OPEN and value[2] not in self.pairs:
                if value[0] != "${":
                    return value
                inner = value
        return inner
