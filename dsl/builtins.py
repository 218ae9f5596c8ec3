"""The built-in functions, pure (★): name, parameters and body of each, said once.

Checker, machine, editor and documentation read this table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from codeai.dsl import builtins_data as data
from codeai.dsl import builtins_text as texts
from codeai.dsl import builtins_time as times


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; a variadic one (the last) takes one argument or more."""

    name: str
    required: bool = True
    default: int | str | None = None
    variadic: bool = False

    @property
    def shown(self) -> str:
        """Such as `sep = null`."""
        if self.variadic:
            return f"{self.name}, ..."
        return self.name if self.required else f"{self.name} = {json.dumps(self.default)}"


@dataclass(frozen=True, slots=True)
class Builtin:
    """One function. `others` are further lists of parameters that it takes (chosen by number and names of
    the arguments). It is called with every parameter of the chosen list by position. `walks` says that it
    looks at more than the head of its arguments, which is counted; one that `counts` gives its result and what
    else it walked, in instructions; `fresh` says that nobody else holds its result."""

    name: str
    parameters: tuple[Parameter, ...]
    function: Callable[..., Any]
    help: str
    others: tuple[tuple[Parameter, ...], ...] = ()
    walks: bool = True
    fresh: bool = True
    counts: bool = False

    @property
    def forms(self) -> tuple[tuple[Parameter, ...], ...]:
        return (self.parameters, *self.others)

    @property
    def signature(self) -> str:
        """Such as `split(s, sep = null)`."""
        return " or ".join(f"{self.name}({', '.join(one.shown for one in form)})" for form in self.forms)


def places(builtin: Builtin, positional: int, names: Sequence[str]) -> list[int | Parameter] | None:
    """What each parameter takes: the number of an argument, or itself where its default stands; a variadic one
    has several places. `positional` arguments stand by place, then those with `names`. None: no form of the
    function takes them."""
    for form in builtin.forms:
        if form[-1].variadic:
            alone = len(form) == 1 and not positional and list(names) == [form[0].name]
            if alone or (not names and positional >= len(form)):
                return list(range(positional or 1))
            continue
        taken: dict[str, int] = {parameter.name: at for at, parameter in enumerate(form[:positional])}
        if not taken.keys().isdisjoint(names):
            continue
        taken |= {name: number for number, name in enumerate(names, positional)}
        found = [taken.pop(parameter.name, parameter) for parameter in form]
        missing = any(isinstance(one, Parameter) and one.required for one in found)
        if len(form) >= positional and not missing and not taken and len(set(names)) == len(names):
            return found
    return None


def _needs(*names: str) -> tuple[Parameter, ...]:
    return tuple(map(Parameter, names))


def _option(name: str, default: int | str | None = None) -> Parameter:
    return Parameter(name, False, default)


_ROWS = (
    Builtin("len", _needs("x"), data.len_, "items, keys or code points of x", walks=False),
    Builtin("str", _needs("x"), data.str_, "x as text"),
    Builtin("int", _needs("x"), data.int_, "x as integer: cuts a float, reads a string"),
    Builtin("float", _needs("x"), data.float_, "x as float"),
    Builtin("bool", _needs("x"), data.bool_, "whether x counts as true", walks=False),
    Builtin("type", _needs("x"), data.type_, "the name of x's type", walks=False),
    Builtin(
        "range",
        _needs("stop"),
        data.range_,
        "the integers from 0 or start to before stop",
        others=((*_needs("start", "stop"), _option("step", 1)),),
    ),
    Builtin("keys", _needs("m"), data.keys, "the keys of a map, in order"),
    Builtin("values", _needs("m"), data.values, "the values of a map, in order"),
    Builtin("contains", _needs("x", "y"), data.contains, "y in x"),
    Builtin("starts_with", _needs("s", "prefix"), texts.starts_with, "whether s begins with prefix"),
    Builtin("ends_with", _needs("s", "suffix"), texts.ends_with, "whether s ends with suffix"),
    Builtin(
        "split", (*_needs("s"), _option("sep")), texts.split, "the parts of s; null: at runs of white space"
    ),
    Builtin("join", (*_needs("array"), _option("sep", "")), texts.join, "the strings as one"),
    Builtin("replace", _needs("s", "old", "new"), texts.replace, "s with every old as new"),
    Builtin("trim", _needs("s"), texts.trim, "s without white space at its ends"),
    Builtin("upper", _needs("s"), texts.upper, "s in upper case"),
    Builtin("lower", _needs("s"), texts.lower, "s in lower case"),
    Builtin("lines", _needs("s"), texts.lines, "the lines of s without their ends"),
    Builtin(
        "slice",
        (*_needs("x", "from"), _option("to")),
        data.slice_,
        "part of a string or array, the end excluded",
    ),
    Builtin("append", _needs("array", "item"), data.append, "the array with one item more"),
    Builtin("sort", _needs("array"), data.sort, "in order: all numbers or all strings; stable"),
    Builtin("reverse", _needs("array"), data.reverse, "the items in reverse order"),
    Builtin("unique", _needs("array"), data.unique, "the items without repetitions"),
    Builtin(
        "min", (Parameter("x", variadic=True),), data.min_, "the least of an array or of several", fresh=False
    ),
    Builtin(
        "max",
        (Parameter("x", variadic=True),),
        data.max_,
        "the greatest of an array or of several",
        fresh=False,
    ),
    Builtin("sum", _needs("array"), data.sum_, "the sum of an array of numbers"),
    Builtin("abs", _needs("x"), data.abs_, "x without its sign", walks=False),
    Builtin("round", (*_needs("x"), _option("digits", 0)), data.round_, "half away from zero", walks=False),
    Builtin("floor", _needs("x"), data.floor, "the integer at or below x", walks=False),
    Builtin("ceil", _needs("x"), data.ceil, "the integer at or above x", walks=False),
    Builtin("json_encode", (*_needs("x"), _option("indent")), texts.json_encode, "x as JSON"),
    Builtin("json_decode", _needs("s"), texts.json_decode, "the value of a JSON text"),
    Builtin("base64_encode", _needs("s"), texts.base64_encode, "the UTF-8 bytes of s in base64"),
    Builtin("base64_decode", _needs("s"), texts.base64_decode, "the text that base64_encode was given"),
    Builtin("sha256", _needs("s"), texts.sha256, "the SHA-256 of s in hex"),
    Builtin(
        "regex_match",
        _needs("s", "pattern"),
        texts.regex_match,
        "null, or the match and its groups (RE2)",
        counts=True,
    ),
    Builtin(
        "regex_replace",
        _needs("s", "pattern", "replacement"),
        texts.regex_replace,
        "s with every match replaced; $0 to $9 are its groups, $$ a dollar",
        counts=True,
    ),
    Builtin(
        "format_time",
        (*_needs("t"), _option("format"), _option("zone", "UTC")),
        times.format_time,
        "a time as text (strftime; by default ISO 8601)",
    ),
    Builtin("parse_duration", _needs("s"), times.parse_duration, 'the seconds of "1h30m"'),
    Builtin(
        "merge",
        (*_needs("a"), Parameter("b", variadic=True)),
        data.merge,
        "the maps as one, the right one wins",
    ),
    Builtin(
        "default",
        _needs("x", "value"),
        data.default,
        "x, or value where x is null; with a key: m[key] where it is there",
        others=(_needs("m", "key", "value"),),
        walks=False,
        fresh=False,
    ),
)

BUILTINS: dict[str, Builtin] = {row.name: row for row in _ROWS}
