"""Text to the tree of a query: the LALR table's loop. It stops at the first error, and never recurses."""

from __future__ import annotations

from typing import Any, NoReturn

from codeai.dsl.diagnostics import Findings
from codeai.dsl.query.diagnostics import findings_of, refuse
from codeai.dsl.query.grammar_table import ACTIONS, END, GOTO, RULES, START
from codeai.dsl.query.lexer import CLAUSES, KEYWORDS, Token, lex
from codeai.dsl.query.tree import Filter, Statement
from codeai.dsl.query.tree_build import Builder

BEGINNINGS = "SELECT, COUNT, SUM, AVG, MIN, MAX or UPDATE"
_FOREIGN = {
    "GROUP": "there is no GROUP BY: an aggregate is of all rows",
    "HAVING": "there is no HAVING",
    "JOIN": "a query is of one entity",
    "DISTINCT": "there is no DISTINCT",
    "INSERT": "rows are made by the commands and routes of what they are",
    "DELETE": "rows are removed by the commands and routes of what they are",
    "WITH": "there are no subqueries",
}
_FOUND = {
    "NAME": "the name",
    "WORD": "the word",
    "NUMBER": "the number",
    "STRING": "a text",
    "PARAM": "the parameter",
}


def read_query(text: str) -> tuple[Statement, Findings]:
    """The tree of a query, and where more can be said of it. Raises BadQuery, and nothing else."""
    findings = findings_of(text)
    tree = _run(lex(findings, clauses=True), findings, "query")
    if isinstance(tree, Filter):
        hint = "for example: COUNT FROM executions WHERE status = failed"
        refuse(findings, "no_entity", 0, len(text), hint, words=BEGINNINGS)
    return tree, findings


def read_filter(text: str) -> tuple[Filter, Findings]:
    """The tree of a filter, and where more can be said of it. Raises BadQuery, and nothing else."""
    findings = findings_of(text)
    return _run(lex(findings, clauses=False), findings, "filter"), findings


def _run(tokens: list[Token], findings: Findings, goal: str) -> Any:
    makers = Builder(findings).makers
    states = [START[goal]]
    values: list[Any] = []
    ahead = iter(tokens)
    before, token = tokens[-1], next(ahead)
    while states[-1] != END[goal]:
        row = ACTIONS[states[-1]]
        action = row.get(token[0])
        if action is None and token[0] in KEYWORDS and (action := row.get("NAME")) is not None:
            # A keyword where the grammar has no use for it is a name: the log has a column `offset`.
            token = ("NAME", *token[1:])
        if action is None:
            _refuse_token(findings, row, before, token, goal)
        if action >= 0:
            states.append(action)
            values.append(token)
            before, token = token, next(ahead, token)
            continue
        side, length, name = RULES[~action]
        first = len(values) - length
        parts = values[first:]
        del values[first:], states[len(states) - length :]
        values.append(makers[name](parts) if name else parts[0])
        states.append(GOTO[states[-1]][side])
    return values[-1]


def _refuse_token(
    findings: Findings, row: dict[str, int], before: Token, token: Token, goal: str
) -> NoReturn:
    kind, text, start, end = token
    if kind == "$END":
        found = "the end"
    elif kind in _FOUND:
        shown = findings.source.text[start:end]
        found = f"{_FOUND[kind]} `{shown if len(shown) <= 40 else shown[:37] + '…'}`"
    else:
        found = f"`{text}`"
    hint = _FOREIGN.get(text.upper(), _FOREIGN.get(before[1].upper(), ""))
    if not hint and "=" in row and kind == "$END":
        hint = "a condition is a column, an operator and a value"
    refuse(findings, "syntax", start, end, hint, found=found, expected=_expected(row, goal))


def _expected(row: dict[str, int], goal: str) -> str:
    """What the table takes, in words."""
    words = []
    if "STRING" in row:
        words.append("a value")
    elif "NUMBER" in row:
        words.append("a number")
    elif "NAME" in row and "AND" not in row:
        words.append("a name")
    if "=" in row and "LIKE" in row:
        words.append("an operator")
    elif "=" in row:
        words.append("`=`")
    elif "LIKE" in row:
        words.append("BETWEEN, IN or LIKE")
    covered = {"TRUE", "FALSE", "NULL"} if "STRING" in row else set()
    covered |= (
        {"LIKE", "ILIKE", "CONTAINS", "STARTSWITH", "ENDSWITH", "IN", "BETWEEN", "IS"}
        if "LIKE" in row
        else set()
    )
    covered |= CLAUSES if goal == "filter" else set()
    covered |= {"NOT"} if "AND" in row or "LIKE" in row else set()
    words += sorted(kind for kind in row if kind in KEYWORDS and kind not in covered)
    words += [
        f"`{sign}`" for sign in ("(", ")", ",", "*") if sign in row and not ("AND" in row and sign == "(")
    ]
    if "$END" in row:
        words.append("the end")
    return ", ".join(words[:-1]) + " or " + words[-1] if len(words) > 1 else words[0]
