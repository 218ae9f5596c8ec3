"""What is wrong with a query: the table of codes (★), and the refusal that carries the findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from codeai.dsl.diagnostics import Code, Diagnostic, Findings, Severity, Source, Topic, render_text

MOST_BYTES = 4096
"""Of a query's text."""
DEPTH = 50
"""Levels of `( )` and NOT in each other."""
MOST_VALUES = 1000
"""Of one IN."""


def _error(code: str, topic: Topic, message: str, example: str) -> Code:
    return Code(code, topic, Severity.ERROR, message, example)


_ROWS = (
    _error("syntax", Topic.SYNTAX, "found {found}, expected {expected}", "SELECT FROM executions"),
    _error(
        "bad_character",
        Topic.SYNTAX,
        "found {found}, which no query has outside quotes",
        "COUNT FROM executions WHERE status = failed; x",
    ),
    _error(
        "bad_text",
        Topic.SYNTAX,
        "no text of the database has {found}",
        "COUNT FROM configs WHERE name = '\0'",
    ),
    _error(
        "unclosed_string", Topic.SYNTAX, "this text is never closed", "COUNT FROM configs WHERE name = 'a"
    ),
    _error(
        "number_too_large",
        Topic.SYNTAX,
        "the number {found} is too large: integers have 64 bits, others are finite doubles",
        "COUNT FROM configs WHERE version = 9223372036854775808",
    ),
    _error("too_large", Topic.SYNTAX, "the query has {found} bytes, the most is {most}", " " * 4097),
    _error(
        "too_deep",
        Topic.SYNTAX,
        "nested deeper than {most} levels",
        "COUNT FROM configs WHERE " + "(" * 51 + "version = 1" + ")" * 51,
    ),
    _error(
        "no_entity",
        Topic.SYNTAX,
        "a filter alone says not of what: here a query begins with {words}",
        "status:failed",
    ),
    _error("unknown_entity", Topic.NAME, 'unknown entity "{name}"', "COUNT FROM execution"),
    _error(
        "unknown_column",
        Topic.NAME,
        '{entity} has no column "{name}"',
        "COUNT FROM executions WHERE staus = failed",
    ),
    _error(
        "duplicate_column",
        Topic.REDECLARED,
        'the column "{name}" is named twice',
        "SELECT id, id FROM configs",
    ),
    _error(
        "not_writable",
        Topic.PLACEMENT,
        '"{name}" cannot be set by a query: {known}',
        "UPDATE deployments SET id = a WHERE name = a",
    ),
    _error(
        "no_where", Topic.PLACEMENT, "an UPDATE needs a WHERE", "UPDATE deployments SET concurrency = queue"
    ),
    _error(
        "bad_operator",
        Topic.ARGUMENTS,
        '{operator} does not fit "{name}", which has the type {type}',
        "COUNT FROM configs WHERE version LIKE a",
    ),
    _error(
        "bad_function",
        Topic.ARGUMENTS,
        '{function} does not fit "{name}", which has the type {type}',
        "SUM(name) FROM configs",
    ),
    _error(
        "bad_value",
        Topic.ARGUMENTS,
        '"{name}" takes {expected}, not {found}',
        "COUNT FROM configs WHERE version = two",
    ),
    _error(
        "null_value",
        Topic.ARGUMENTS,
        "nothing is equal to NULL or comes before it",
        "COUNT FROM deployments WHERE config_id = NULL",
    ),
    _error(
        "bad_pattern",
        Topic.ARGUMENTS,
        "a pattern cannot end with a single `\\`",
        "COUNT FROM configs WHERE name LIKE 'a\\'",
    ),
    _error(
        "too_many_values",
        Topic.ARGUMENTS,
        "IN takes at most {most} values, found {found}",
        "COUNT FROM configs WHERE version IN (" + ",".join(["1"] * 1001) + ")",
    ),
    _error(
        "unbound_param",
        Topic.NAME,
        'no value was given for the parameter "@{name}"',
        "COUNT FROM configs WHERE name = @name",
    ),
    _error(
        "bad_count",
        Topic.ARGUMENTS,
        "{what} takes an integer from 0, not {found}",
        "SELECT * FROM configs LIMIT 1.5",
    ),
)

CODES: Mapping[str, Code] = {row.code: row for row in _ROWS}


class BadQuery(Exception):
    """The query is refused: what is wrong with it, and where in its text."""

    def __init__(self, findings: Findings) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = tuple(findings.found)
        self.source: Source = findings.source
        first = self.diagnostics[0]
        hint = f"; {first.hint}" if first.hint else ""
        super().__init__(f"{first.message}{hint} (line {first.line}, column {first.column})")

    def shown(self) -> str:
        """For people: each finding with the line and a caret."""
        return render_text(self.diagnostics, self.source, "query")


def findings_of(text: str) -> Findings:
    """Where what is wrong with a query's text is collected."""
    return Findings(Source(text), CODES)


def refuse(findings: Findings, code: str, start: int, end: int, hint: str = "", **values: object) -> NoReturn:
    """Adds the finding and refuses the query."""
    findings.add(code, start, end, hint, **values)
    raise BadQuery(findings)
