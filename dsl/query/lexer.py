"""The words of a query: names, values, parameters, operators."""

from __future__ import annotations

import re
from typing import TypeAlias

from codeai.dsl.diagnostics import Findings
from codeai.dsl.query.diagnostics import MOST_BYTES, refuse
from codeai.dsl.query.grammar_table import ACTIONS

Token: TypeAlias = tuple[str, str, int, int]
"""Type, text, and from where to where it stands."""

KINDS = ("NAME", "WORD", "NUMBER", "STRING", "PARAM", "$END")
"""The types of tokens that have a text of their own; every other is that text."""
KEYWORDS = frozenset(kind for row in ACTIONS for kind in row if kind.isalpha() and kind not in KINDS)
CLAUSES = frozenset(
    {"SELECT", "UPDATE", "SET", "FROM", "WHERE", "ORDER", "BY", "ASC", "DESC", "LIMIT", "OFFSET"}
    | {"COUNT", "SUM", "AVG", "MIN", "MAX"}
)
"""Keywords that no condition has: in a filter they are names."""
_TOKEN = re.compile(
    r"""
      (?P<blank>\s+)
    | (?P<string>'(?:[^']|'')*'|"(?:[^"]|"")*")
    | @(?P<param>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d[\w.:+-]*)
    | (?P<word>[\w.+/%\#$&-][\w.+/%\#$&@-]*)
    | (?P<symbol>:(?:[<>]=?|!=|[~=])?|[<>]=|<>|!=|[=<>(),*])
    """,
    re.VERBOSE,
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_UNTAKEN = re.compile("[\0\ud800-\udfff]")


def lex(findings: Findings, *, clauses: bool) -> list[Token]:
    """The tokens of the text, an `$END` last. Without `clauses` it is a filter. Raises BadQuery."""
    text = findings.source.text
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MOST_BYTES:
        refuse(findings, "too_large", 0, 0, found=size, most=MOST_BYTES)
    if untaken := _UNTAKEN.search(text):
        found = f"U+{ord(untaken[0]):04X}"
        refuse(findings, "bad_text", untaken.start(), untaken.end(), found=found)
    keywords = KEYWORDS if clauses else KEYWORDS - CLAUSES
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            if text[at] in "'\"":
                refuse(findings, "unclosed_string", at, len(text))
            refuse(findings, "bad_character", at, at + 1, _hint(text[at]), found=f"`{text[at]}`")
        at = match.end()
        if match.lastgroup != "blank":
            tokens.append((*_token(match, keywords), match.start(), at))
    tokens.append(("$END", "", at, at))
    return tokens


def _token(match: re.Match[str], keywords: frozenset[str]) -> tuple[str, str]:
    text = match[0]
    if match.lastgroup == "string":
        return "STRING", text[1:-1].replace(text[0] * 2, text[0])
    if match.lastgroup == "param":
        return "PARAM", match["param"]
    if match.lastgroup == "symbol":
        return text, text
    if _NUMBER.fullmatch(text):
        return "NUMBER", text
    if not _NAME.fullmatch(text):
        return "WORD", text
    return (text.upper() if text.upper() in keywords else "NAME"), text


def _hint(character: str) -> str:
    if character == "@":
        return "a parameter is `@` and a name"
    if character == ";":
        return "one query at a time"
    if character == "`":
        return "names stand as they are, text in '…' or \"…\""
    return "put text in quotes"
