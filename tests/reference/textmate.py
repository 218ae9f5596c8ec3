"""Reads programs by a TextMate grammar, as editors do: enough of it for ours, without injections."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Rule = dict[str, Any]
Scopes = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Open:
    """A rule that has begun: what ends it, and the scopes of the rule and of what is in it."""

    rule: Rule
    end: str
    around: Scopes
    inside: Scopes


class TextMate:
    def __init__(self, grammar: str) -> None:
        self.grammar = json.loads(grammar)

    def tokens(self, text: str) -> list[tuple[str, Scopes]]:
        """The pieces of a text, each with its scopes, outermost first; blank ones are left out."""
        stack = [_Open(self.grammar, r"(?!)", (), ())]
        found: list[tuple[str, Scopes]] = []
        for line in text.split("\n"):
            found += self._line(line, 0, len(line), stack)
        return [(piece, scopes) for piece, scopes in found if piece.strip()]

    def patterns(self) -> Iterator[str]:
        """Every regular expression of the grammar."""
        ahead: list[Any] = [self.grammar]
        while ahead:
            one = ahead.pop()
            if isinstance(one, dict):
                yield from (value for key, value in one.items() if key in ("match", "begin", "end"))
                ahead += one.values()
            elif isinstance(one, list):
                ahead += one

    def _line(self, line: str, at: int, end: int, stack: list[_Open]) -> Iterator[tuple[str, Scopes]]:
        while True:
            top = stack[-1]
            rule, match = top.rule, re.compile(top.end).search(line, at, end)
            closes = match is not None
            for one in self._rules(top.rule.get("patterns", [])):
                tried = re.compile(one.get("match") or one["begin"]).search(line, at, end)
                if tried is not None and (match is None or tried.start() < match.start()):
                    rule, match, closes = one, tried, False
            if match is None:
                yield line[at:end], top.inside
                return
            yield line[at : match.start()], top.inside
            if closes:
                yield from self._captured(line, match, rule.get("endCaptures", {}), top.around)
                stack.pop()
            elif "match" in rule:
                scopes = _with(top.inside, rule.get("name"))
                yield from self._captured(line, match, rule.get("captures", {}), scopes)
            else:
                around = _with(top.inside, rule.get("name"))
                yield from self._captured(line, match, rule.get("beginCaptures", {}), around)
                closing = re.sub(
                    r"\\([1-9])", lambda one, begun=match: re.escape(begun[int(one[1])]), rule["end"]
                )
                stack.append(_Open(rule, closing, around, _with(around, rule.get("contentName"))))
            at = match.end()

    def _captured(
        self, line: str, match: re.Match[str], captures: Rule, scopes: Scopes
    ) -> Iterator[tuple[str, Scopes]]:
        at = match.start()
        for number, capture in captures.items():
            start, end = match.span(int(number))
            if start < at:
                continue
            yield line[at:start], scopes
            inner = _with(scopes, capture.get("name"))
            yield from self._line(line, start, end, [_Open(capture, r"(?!)", inner, inner)])
            at = end
        yield line[at : match.end()], scopes

    def _rules(self, patterns: list[Rule]) -> Iterator[Rule]:
        for one in patterns:
            name = one.get("include")
            if name == "$self":
                yield from self._rules(self.grammar["patterns"])
            elif name is None:
                yield from self._rules(one["patterns"]) if not {"match", "begin"} & one.keys() else [one]
            elif name.startswith("#"):
                yield from self._rules([self.grammar["repository"][name[1:]]])


def _with(scopes: Scopes, name: str | None) -> Scopes:
    return (*scopes, name) if name else scopes
