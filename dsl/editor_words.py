"""What an editor says of words: keywords, effects, options, built-ins and the fields of what they give.

Everything but the lines on keywords and fields is read from the tables; a test holds that these are complete.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from codeai.dsl.builtins import BUILTINS, Builtin
from codeai.dsl.check_literals import wanted
from codeai.dsl.effects import (
    EFFECTS,
    EXEC_OPTIONS,
    PARALLEL_OPTIONS,
    UNDO_OPTIONS,
    Effect,
    Kind,
    Option,
)

KEYWORD_HELP = {
    "var": ("var name = value", "a new variable of this block"),
    "param": ("param name = default", "an input of the program; without a default it must be given"),
    "function": ("function name(a, b) { … }", "a function of the program, declared at the top level"),
    "if": ("if condition { … } else { … }", "the first block where the condition counts as true"),
    "else": ("else { … } or else if condition { … }", "what is done otherwise"),
    "for": ("for item in array { … } or for key, value in map { … }", "the block once for each item"),
    "in": ("item in items", "whether an array has the item, a map the key, a string the text"),
    "while": ("while condition { … }", "the block again and again while the condition counts as true"),
    "return": ("return value", "ends the function, the iteration or the program with a value"),
    "exec": ("exec(options) { shell }", "runs a shell command; its value is the result"),
    "undo": ("exec { … } undo(options) { shell }", "how the command before it is taken back"),
    "try": ("try { … } catch error { … }", "goes on in the second block where the first one fails"),
    "catch": ("try { … } catch error { … }", "what is done with the error"),
    "parallel": (
        "parallel(options) for item in array { … }",
        "all iterations at once; its value is the array of what they return",
    ),
    "break": ("break", "leaves the loop"),
    "continue": ("continue", "goes on with the next item of the loop"),
    "and": ("a and b", "b where a counts as true, else a"),
    "or": ("a or b", "a where it counts as true, else b"),
    "not": ("not a", "true where a counts as false"),
    "true": ("true", "the one truth value"),
    "false": ("false", "the other truth value"),
    "null": ("null", "no value"),
}
EXEC_FIELDS = {
    "stdout": "what the command printed, without its last newline",
    "stderr": "what it printed to standard error, without its last newline",
    "exit_code": "0 where it succeeded, 128 + n after signal n",
    "duration": "how long it ran, in seconds",
    "attempt": "which attempt this was, from 1",
    "truncated": "whether more was printed than `capture` keeps",
}
ERROR_FIELDS = {
    "kind": "what kind of error it is, such as exec_failed, timeout, rejected or failed",
    "message": "what happened, in words",
    "line": "the line of the program where it happened",
    "exit_code": "of a command: how it ended",
    "stderr": "of a command: what it printed to standard error",
    "errors": "of a parallel that collects: the errors, in the order of the items",
}
ERROR = "error"
"""What a `catch` name holds, as `fields` takes it."""

_RESULT_FIELDS = re.compile(r"\{(\w+(?:, \w+)*)\}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument as an editor shows it: in a signature, and by itself. `words` are its only values."""

    name: str
    shown: str
    help: str = ""
    words: tuple[str, ...] = ()
    is_bool: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """One way to call something. `by_name`: its arguments stand only by name."""

    name: str
    parameters: tuple[Parameter, ...]
    help: str = ""
    by_name: bool = False

    @property
    def label(self) -> str:
        return f"{self.name}({', '.join(one.shown for one in self.parameters)})"


def forms(word: str) -> tuple[Form, ...]:
    """The ways to call a keyword with options, an effect or a built-in function; empty for other words."""
    if word in _WITH_OPTIONS:
        parameters = tuple(_parameter(option, f"{option.name}: …") for option in _WITH_OPTIONS[word])
        return (Form(word, parameters, KEYWORD_HELP[word][1], by_name=True),)
    if word in EFFECTS:
        return (_effect_form(EFFECTS[word]),)
    if word in BUILTINS:
        return _builtin_forms(BUILTINS[word])
    return ()


def effect_label(effect: Effect) -> str:
    """Such as `sleep(duration)`: what may stand by position first, the rest by name."""
    return _effect_form(effect).label


def fields(held: str) -> dict[str, str]:
    """The fields of what an effect gives, by its name, or of a caught error; each with its meaning."""
    if held == "exec":
        return EXEC_FIELDS
    if held == ERROR:
        return ERROR_FIELDS
    found = _RESULT_FIELDS.fullmatch(EFFECTS[held].result) if held in EFFECTS else None
    return dict.fromkeys(found[1].split(", "), "") if found else {}


def described(word: str) -> str:
    """What a keyword, an effect or a built-in function is, as Markdown; empty for other words."""
    effect = EFFECTS.get(word)
    if word in KEYWORD_HELP:
        form, help = KEYWORD_HELP[word]
        listed = _listed(_WITH_OPTIONS.get(word, ()))
        gives = f"\n\nIts value has {_fields_shown(EXEC_FIELDS)}." if word == "exec" else ""
        return code(form) + _sentence(help) + gives + listed
    if effect is not None:
        missing = "" if effect.available else "\n\nNot available in this build."
        gives = f"\n\nGives {effect.result}."
        return code(effect_label(effect)) + _sentence(effect.help) + missing + gives + _listed(effect.options)
    if word in BUILTINS:
        return code("\n".join(form.label for form in forms(word))) + _sentence(BUILTINS[word].help)
    return ""


def code(text: str) -> str:
    """Markdown of lines of a program."""
    return f"```cai\n{text}\n```\n"


def default_of(option: Option) -> str:
    """The default as a program would write it; empty where there is none."""
    if option.required or option.default is None:
        return ""
    if option.kind is Kind.DURATION and isinstance(option.default, float):
        return json.dumps(duration(option.default))
    return json.dumps(option.default, ensure_ascii=False)


def duration(seconds: float) -> str:
    """Seconds in the largest unit that shows them exactly: `10m`, `90s`, `200ms`."""
    milliseconds = round(seconds * 1000)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def _effect_form(effect: Effect) -> Form:
    shown = (
        option.name if number < effect.positional else f"{option.name}: …"
        for number, option in enumerate(effect.options)
    )
    parameters = tuple(map(_parameter, effect.options, shown))
    return Form(effect.name, parameters, effect.help)


def _builtin_forms(builtin: Builtin) -> tuple[Form, ...]:
    return tuple(
        Form(builtin.name, tuple(Parameter(one.name, one.shown) for one in form), builtin.help)
        for form in builtin.forms
    )


def _parameter(option: Option, shown: str) -> Parameter:
    return Parameter(option.name, shown, option_help(option), option.words, option.kind is Kind.BOOL)


def option_help(option: Option) -> str:
    """What it takes, its default, what it is for."""
    takes = wanted(option)
    if option.required:
        takes += ", required"
    elif default := default_of(option):
        takes += f", by default `{default}`"
    return f"{takes}; {option.help}" if option.help else takes


def _listed(options: tuple[Option, ...]) -> str:
    lines = [f"- `{option.name}`: {option_help(option)}" for option in options]
    return "\n\n" + "\n".join(lines) if lines else ""


def _fields_shown(given: dict[str, str]) -> str:
    return ", ".join(f"`.{name}`" for name in given)


def _sentence(help: str) -> str:
    return help[:1].upper() + help[1:] + "." if help else ""


_WITH_OPTIONS = {"exec": EXEC_OPTIONS, "undo": UNDO_OPTIONS, "parallel": PARALLEL_OPTIONS}
