"""What is wrong with a program before it runs: the table of codes (★), the one Diagnostic, its layouts.

The terminal, the API, the editor and GitHub annotations all show the same value.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

MOST_SUGGESTIONS = 50
MOST_NAME = 64


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


class Topic(StrEnum):
    """What a diagnostic is about, in one word: editors and the conformance cases group by it."""

    SYNTAX = "syntax"
    NAME = "name"
    REDECLARED = "redeclared"
    PLACEMENT = "placement"
    OPTION = "option"
    ARGUMENTS = "arguments"
    STYLE = "style"  # warnings: the program runs, but hardly as meant


@dataclass(frozen=True, slots=True)
class Code:
    """One row: `message` is a template for the finding's values, `example` a program that produces it."""

    code: str
    topic: Topic
    severity: Severity
    message: str
    example: str


def _error(code: str, topic: Topic, message: str, example: str) -> Code:
    return Code(code, topic, Severity.ERROR, message, example)


def _warning(code: str, message: str, example: str) -> Code:
    return Code(code, Topic.STYLE, Severity.WARNING, message, example)


_SYNTAX = (
    _error("syntax", Topic.SYNTAX, "found {found}, expected {expected}", "var a = )"),
    _error(
        "bad_character", Topic.SYNTAX, "found {found}, which no program has outside strings", "var a = 1 @ 2"
    ),
    _error(
        "bad_name",
        Topic.SYNTAX,
        "a name has only the letters a to z, digits and `_`, not {found}",
        "var é = 1",
    ),
    _error("bad_number", Topic.SYNTAX, "{found} is no number", "var a = 007"),
    _error(
        "number_too_large",
        Topic.SYNTAX,
        "the number {found} is too large: integers have 64 bits, others are finite doubles",
        "var a = 9223372036854775808",
    ),
    _error("bad_escape", Topic.SYNTAX, "a string has no escape {found}", 'var a = "\\q"'),
    _error(
        "comparison_chain",
        Topic.SYNTAX,
        "comparisons do not chain: found a second {found}",
        "return 1 < 2 < 3",
    ),
    _error("unclosed_string", Topic.SYNTAX, "this string is never closed", 'var a = "open'),
    _error("unclosed_shell", Topic.SYNTAX, "this shell body is never closed", "exec { echo"),
    _error("unclosed_bracket", Topic.SYNTAX, "this {found} is never closed", "if true {"),
    _error(
        "here_document",
        Topic.SYNTAX,
        "the shell would not see this end of the here-document: `{word}` is indented more than the body",
        "exec {\n    cat <<EOF\n    text\n      EOF\n}",
    ),
    _error("not_utf8", Topic.SYNTAX, "the file is no UTF-8 text: {found}", "\udc80"),
    _error("nul", Topic.SYNTAX, "a program has no NUL character", "\0"),
    _error(
        "too_large", Topic.SYNTAX, "the program has {found} bytes, the most is {most}", "#" * (1 << 20) + "#"
    ),
    _error("too_deep", Topic.SYNTAX, "nested deeper than {most} levels", "return " + "[" * 101 + "]" * 101),
    _error(
        "bidi_code",
        Topic.SYNTAX,
        "found {found}: it makes a program look other than it is",
        "var a = \u20661",
    ),
    _error(
        "param_placement",
        Topic.PLACEMENT,
        "`param` stands only at the head of a program, before any other statement",
        "var a = 1\nparam b",
    ),
)
_CHECKS = (
    _error("unavailable", Topic.NAME, "`{name}` is not available in this build", 'agent("hello")'),
    _error("duplicate_key", Topic.REDECLARED, "this map has the key {name} already", "return {a: 1, a: 2}"),
    _error(
        "duplicate_option",
        Topic.REDECLARED,
        "the option `{name}` is given twice",
        "exec(retry: 1, retry: 2) { }",
    ),
    _error(
        "duplicate_argument",
        Topic.REDECLARED,
        "the argument `{name}` is given twice",
        'sleep("1s", duration: 1)',
    ),
    _error(
        "impure_default", Topic.PLACEMENT, "the default of a `param` cannot have {found}", "param a = uuid()"
    ),
    _error("unknown_option", Topic.OPTION, '{form} has no option "{name}"', "exec(timeot: 1) { }"),
    _error(
        "bad_option", Topic.OPTION, "{form}: `{name}` takes {expected}, not {found}", "exec(retry: -1) { }"
    ),
    _error("unknown_argument", Topic.ARGUMENTS, '{form} has no parameter "{name}"', "return len(y: 1)"),
    _error("wrong_arguments", Topic.ARGUMENTS, "{form} takes {expected}, found {found}", "return len()"),
    _error(
        "argument_order",
        Topic.ARGUMENTS,
        "no argument by position may follow one by name",
        "return round(x: 1, 2)",
    ),
)
_WARNINGS = (
    _warning("bidi_text", "found {found}: the text is shown in another order than it has", "return '\u2066'"),
    _warning("unreachable", "this is never reached: {found} comes before it", "return 1\nlog('x')"),
    _warning(
        "reserved_name",
        "the shell reads `{name}` itself, so no command sees this variable unless `env:` passes it",
        'var PATH = "/bin"\nlog(PATH)',
    ),
    _warning(
        "exec_condition",
        "this condition can only be true: a command that fails ends the program",
        "if exec { true } { log('x') }",
    ),
    _warning(
        "return_later_line", "`return` takes the expression on this later line as its value", "return\n1"
    ),
)
# What resolve.py finds: names, scopes and places.
_NAMES = (
    _error("unknown_name", Topic.NAME, 'unknown name "{name}"', "return nowhere"),
    _error("later_name", Topic.NAME, '"{name}" is declared only later', "var a = b\nvar b = 1"),
    _error("unknown_function", Topic.NAME, 'unknown function "{name}"', "return nowhere()"),
    _error(
        "redeclared", Topic.REDECLARED, '"{name}" is declared already, on line {line}', "var a = 1\nvar a = 2"
    ),
    _error(
        "function_twice",
        Topic.REDECLARED,
        'there is already a function "{name}"',
        "function f() { }\nfunction f() { }",
    ),
    _error("builtin_name", Topic.REDECLARED, '"{name}" is the name of {what}', "function len() { }"),
    _error(
        "function_placement",
        Topic.PLACEMENT,
        'the function "{name}" stands in a block: functions are declared at the top level',
        "if true { function f() { } }",
    ),
    _error(
        "function_assigns",
        Topic.PLACEMENT,
        'a function may not assign the program\'s variable "{name}": return the value instead',
        "var a = 1\nfunction f() { a = 2 }",
    ),
    _error(
        "parallel_assigns",
        Topic.PLACEMENT,
        'a parallel iteration may not assign "{name}" from outside: return the value instead',
        "var a = 1\nparallel for x in [1] { a = x }",
    ),
    _error("no_loop", Topic.PLACEMENT, "`{word}` stands in no loop", "break"),
    _error(
        "parallel_break",
        Topic.PLACEMENT,
        "`break` cannot leave a `parallel`: its iterations run at once",
        "parallel for x in [1] { break }",
    ),
    _warning("hides", '"{name}" hides the variable of line {line}', "var a = 1\nif a == 1 { var a = 2 }"),
    _warning("unused", '"{name}" is never used', "function f() { var a = 1 }"),
)

CODES: dict[str, Code] = {row.code: row for row in (*_SYNTAX, *_CHECKS, *_WARNINGS, *_NAMES)}


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding, with lines and columns from 1 in code points (`end_column` is one past the last)."""

    code: str
    severity: Severity
    message: str
    line: int
    column: int
    end_line: int
    end_column: int
    hint: str = ""


class Source:
    """A program's text with its lines, found by bisection when asked for. Only LF ends a line."""

    __slots__ = ("_starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0]
        at = text.find("\n")
        while at >= 0:
            self._starts.append(at + 1)
            at = text.find("\n", at + 1)

    def position(self, offset: int) -> tuple[int, int]:
        """(line, column), both from 1, of a code-point offset."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def offset(self, line: int, column: int) -> int:
        """The code-point offset of a line and column, both from 1."""
        return self._starts[line - 1] + column - 1

    def line(self, number: int) -> str:
        """The text of line `number` (from 1) without its end; empty after the last."""
        if not 1 <= number <= len(self._starts):
            return ""
        start = self._starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start:] if end < 0 else self.text[start:end]


def on_one_line(text: str) -> str:
    """The text with what no terminal shows, line ends among it, as code points."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else f"U+{ord(one):04X}" for one in text)


_ELSEWHERE = {
    "echo": "log",
    "false": "false",
    "length": "len",
    "nil": "null",
    "none": "null",
    "null": "null",
    "print": "log",
    "printf": "log",
    "println": "log",
    "puts": "log",
    "string": "str",
    "strip": "trim",
    "substr": "slice",
    "substring": "slice",
    "true": "true",
    "undefined": "null",
}
"""What other languages, in small letters, call our words."""


class Findings:
    """Collects the diagnostics of one source: each stage adds to its own."""

    __slots__ = ("_codes", "_suggestions", "found", "source")

    def __init__(self, source: Source, codes: Mapping[str, Code] = CODES) -> None:
        self.source = source
        self._codes = codes
        self.found: list[Diagnostic] = []
        self._suggestions = 0

    def add(self, code: str, start: int, end: int, hint: str = "", **values: object) -> None:
        """Reports `code` for the text from offset `start` to `end`; `values` fill the row's message."""
        row = self._codes[code]
        line, column = self.source.position(start)
        end_line, end_column = self.source.position(max(start, end))
        message = on_one_line(row.message.format(**values))
        self.found.append(Diagnostic(code, row.severity, message, line, column, end_line, end_column, hint))

    def did_you_mean(self, name: str, known: Iterable[str]) -> str:
        """The hint for a name that is not among `known`; empty where none is near. Only the first few of a
        source are looked for, so that a hostile program cannot make it slow."""
        if self._suggestions >= MOST_SUGGESTIONS or len(name) > MOST_NAME:
            return ""
        self._suggestions += 1
        known = list(known)
        if (ours := _ELSEWHERE.get(name.lower())) in known:
            return f'did you mean "{ours}"?'
        candidates = [one for one in known if abs(len(one) - len(name)) <= 3]
        near = get_close_matches(name, candidates[:2000], n=1, cutoff=0.7)
        return f'did you mean "{near[0]}"?' if near else ""


WIDEST = 120
"""Characters of a source line that are shown; a longer one is cut around the place."""


def to_json(diagnostics: Iterable[Diagnostic], file: str | None = None) -> list[dict[str, Any]]:
    """The diagnostics as plain data, with the name of their file where one is given."""
    head = {} if file is None else {"file": file}
    return [head | asdict(one) for one in diagnostics]


def render_text(diagnostics: Iterable[Diagnostic], source: Source, file: str) -> str:
    """For the terminal: place and message, the source line, a caret under what is meant."""
    parts = []
    for one in diagnostics:
        hint = f"; {one.hint}" if one.hint else ""
        parts.append(f"{file}:{one.line}:{one.column}: {one.severity}: {one.message}{hint} [{one.code}]\n")
        parts.append(_excerpt(one, source.line(one.line)))
    return "".join(parts)


def _excerpt(one: Diagnostic, line: str) -> str:
    start = one.column - 1
    end = one.end_column - 1 if one.end_line == one.line else len(line)
    first = max(0, start - WIDEST // 2) if len(line) > WIDEST else 0
    shown = line[first : first + WIDEST]
    blanks = "".join("\t" if char == "\t" else " " for char in line[first:start])
    carets = "^" * max(1, min(end, first + WIDEST) - start)
    margin = f"{one.line:5} | "
    below = " " * (len(margin) - 2) + "| "
    visible = "".join(char if char == "\t" or char.isprintable() else "\ufffd" for char in shown)
    return f"{margin}{visible}\n{below}{blanks}{carets}\n"


def render_github(diagnostics: Iterable[Diagnostic], file: str) -> str:
    """GitHub's workflow commands, which become annotations."""
    lines = []
    for one in diagnostics:
        place = (
            f"file={_escaped(file, property=True)},line={one.line},col={one.column},endLine={one.end_line},"
            f"endColumn={max(one.column, one.end_column - 1)},title={one.code}"
        )
        hint = f"; {one.hint}" if one.hint else ""
        lines.append(f"::{one.severity} {place}::{_escaped(one.message + hint)}\n")
    return "".join(lines)


def _escaped(text: str, property: bool = False) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if property else text
