"""The TextMate grammar of editors, made from the tables of keywords, effects and built-in functions.

Its regular expressions are read by Oniguruma in editors and by Python's `re` in our tests: only what both know.
"""

from __future__ import annotations

import json
from typing import Any

from codeai.dsl.builtins import BUILTINS
from codeai.dsl.effects import EFFECTS
from tests.tree import ROOT

FILE = ROOT / "docs" / "editors" / "vscode" / "codeai.tmLanguage.json"
NAME = r"[A-Za-z_][A-Za-z0-9_]*"
SHELL = "meta.embedded.block.shell.cai"
KEYWORDS = {
    "storage.type.cai": ("var", "param", "function"),
    "keyword.control.cai": (
        *("if", "else", "for", "in", "while", "parallel", "break", "continue"),
        *("return", "try", "catch"),
    ),
    "keyword.control.exec.cai": ("exec", "undo"),
    "keyword.operator.word.cai": ("and", "or", "not"),
    "constant.language.cai": ("true", "false", "null"),
}
"""Every keyword in its scope."""


def grammar() -> str:
    """The grammar as the tables are now."""
    made: dict[str, Any] = {
        "information_for_contributors": ["Made from the tables; run: make reference"],
        "name": "CodeAI",
        "scopeName": "source.cai",
        "fileTypes": ["cai"],
        "patterns": [{"include": f"#{name}"} for name in _RULES if name not in _INNER],
        # The usual shell grammar ends a here-document in column 0 only, where a body of ours is indented, and
        # begins one at the shift of `$((1 << 2))`.
        "injections": {
            f"L:{SHELL} - comment - string - meta.arithmetic": {
                "patterns": [{"include": "#heredoc"}, {"include": "#arithmetic"}]
            }
        },
        "repository": _RULES,
    }
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _words(words: tuple[str, ...]) -> str:
    """A word of these, where it is no field, no key and no part of a name."""
    return rf"(?<![.\w])(?:{'|'.join(words)})\b(?!\s*:)"


def _matched(scope: str, pattern: str) -> dict[str, Any]:
    return {"name": scope, "match": pattern}


def _captured(pattern: str, *scopes: str) -> dict[str, Any]:
    return {"match": pattern, "captures": _captures(*scopes)}


def _captures(*scopes: str) -> dict[str, Any]:
    return {str(number): {"name": scope} for number, scope in enumerate(scopes, 1)}


def _between(begin: str, end: str, patterns: list[str], **scopes: Any) -> dict[str, Any]:
    return {"begin": begin, "end": end, **scopes, "patterns": [{"include": one} for one in patterns]}


def _calls(names: tuple[str, ...]) -> str:
    return rf"(?<![.\w])(?:{'|'.join(names)})(?=\s*\()"


def _line_of_shell(depth: int) -> str:
    """A body on one line: what is quoted, and braces that balance, so many levels of them."""
    nested = rf"|\{{{_line_of_shell(depth - 1)}\}}" if depth else ""
    return rf"""(?:[^{{}}'"\\#]|(?<=\S)#|'[^']*'|"(?:[^"\\]|\\.)*"|\\.{nested})*"""


_PARENTHESIS = "punctuation.section.parens.cai"
_BRACE = "punctuation.section.block.cai"
_IN_SHELL = ["#heredoc", "#arithmetic", "#shell-braces", "source.shell", "#shell-quoted"]
_QUOTES = {
    "beginCaptures": {"0": {"name": "punctuation.definition.string.begin.cai"}},
    "endCaptures": {"0": {"name": "punctuation.definition.string.end.cai"}},
}
_INNER = {
    *(
        "options",
        "shell-line",
        "shell",
        "shell-braces",
        "shell-quoted",
        "heredoc",
        "arithmetic",
        "parentheses",
    ),
    *("interpolation", "escape"),
}
"""Rules that only others include."""
_RULES: dict[str, Any] = {
    "comment": _matched("comment.line.number-sign.cai", "#.*$"),
    "command": _between(
        r"(?<![.\w])(exec|undo)\b(?!\s*:)",
        r"(?<=\})|(?=[^\s({#])",
        ["#comment", "#options", "#shell-line", "#shell"],
        beginCaptures=_captures("keyword.control.exec.cai"),
    ),
    "options": _between(
        r"\(",
        r"\)",
        ["$self"],
        beginCaptures={"0": {"name": _PARENTHESIS}},
        endCaptures={"0": {"name": _PARENTHESIS}},
    ),
    # What is captured cannot go on behind it, as an editor's shell grammar would behind ` }.stdout`.
    "shell-line": {
        "match": rf"(\{{)({_line_of_shell(3)})(\}})",
        "captures": {
            "1": {"name": _BRACE},
            "2": {"name": SHELL, "patterns": [{"include": one} for one in _IN_SHELL]},
            "3": {"name": _BRACE},
        },
    },
    "shell": _between(
        r"\{",
        r"\}",
        _IN_SHELL,
        contentName=SHELL,
        beginCaptures={"0": {"name": _BRACE}},
        endCaptures={"0": {"name": _BRACE}},
    ),
    "shell-braces": _between(r"\{", r"\}", _IN_SHELL),
    # Where an editor has no grammar for shells: what may hold a brace that does not count.
    "shell-quoted": {
        "patterns": [
            _matched("comment.line.number-sign.shell.cai", r"(?<!\S)#.*$"),
            _matched("constant.character.escape.shell.cai", r"\\."),
            _between("'", "'", [], name="string.quoted.single.shell.cai"),
            {
                "name": "string.quoted.double.shell.cai",
                "begin": '"',
                "end": '"',
                "patterns": [{"match": r"\\."}],
            },
        ]
    },
    "heredoc": {
        "begin": rf"(?<!<)(<<-?)(?!<)[ \t]*([\"']?)({NAME})\2(?![\w\"'])(.*)$",
        "beginCaptures": {
            "1": {"name": "keyword.operator.heredoc.shell.cai"},
            "3": {"name": "punctuation.definition.string.heredoc.shell.cai"},
            "4": {"patterns": [{"include": "source.shell"}]},
        },
        "end": r"^[ \t]*(\3)$",
        "endCaptures": {"1": {"name": "punctuation.definition.string.heredoc.shell.cai"}},
        "contentName": "string.unquoted.heredoc.shell.cai",
    },
    "arithmetic": _between(
        r"\$\(\(",
        r"\)\)",
        ["#parentheses", "#number", "#operator", "#variable"],
        name="meta.arithmetic.shell.cai",
    ),
    "parentheses": _between(r"\(", r"\)", ["#parentheses", "#number", "#operator", "#variable"]),
    "string": _between('"', '"', ["#escape", "#interpolation"], name="string.quoted.double.cai", **_QUOTES),
    "raw-string": _between("'", "'", [], name="string.quoted.single.cai", **_QUOTES),
    "escape": {
        "patterns": [
            _matched("constant.character.escape.cai", r"\\(?:[ntr\"\\$]|u\{[0-9A-Fa-f]{1,6}\})"),
            _matched("invalid.illegal.escape.cai", r"\\."),
        ]
    },
    "interpolation": _between(
        r"\$\{",
        r"\}",
        ["$self"],
        name="meta.interpolation.cai",
        contentName="meta.embedded.line.cai",
        beginCaptures={"0": {"name": "punctuation.section.interpolation.begin.cai"}},
        endCaptures={"0": {"name": "punctuation.section.interpolation.end.cai"}},
    ),
    "function": _captured(
        rf"(?<![.\w])(function)\s+({NAME})", "storage.type.function.cai", "entity.name.function.cai"
    ),
    "declaration": _captured(
        rf"(?<![.\w])(var|param)\s+({NAME})", "storage.type.cai", "variable.other.declaration.cai"
    ),
    "keyword": {"patterns": [_matched(scope, _words(words)) for scope, words in KEYWORDS.items()]},
    "effect": _matched("support.function.effect.cai", _calls(tuple(one for one in EFFECTS if one != "exec"))),
    "builtin": _matched("support.function.builtin.cai", _calls(tuple(BUILTINS))),
    "call": _matched("entity.name.function.call.cai", rf"(?<![.\w]){NAME}(?=\s*\()"),
    "word": _matched("variable.parameter.cai", rf"(?<![.\w]){NAME}(?=\s*:)"),
    "field": _captured(rf"(\.)\s*({NAME})", "punctuation.accessor.cai", "variable.other.member.cai"),
    "number": _matched(
        "constant.numeric.cai", r"(?<![\w.])(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.])"
    ),
    "variable": _matched("variable.other.cai", rf"(?<![.\w]){NAME}"),
    "braces": _between(
        r"\{", r"\}", ["$self"], beginCaptures={"0": {"name": _BRACE}}, endCaptures={"0": {"name": _BRACE}}
    ),
    "operator": _matched("keyword.operator.cai", r"==|!=|<=|>=|\+=|-=|\*=|/=|[-+*/%=<>]"),
}
