"""Whether a literal fits an option: its kind, its words, its bounds. What is no literal fits until it runs."""

from __future__ import annotations

from codeai.dsl import tree
from codeai.dsl.builtins_time import seconds
from codeai.dsl.effects import Kind, Option
from codeai.dsl.faults import Fault

Misfit = tuple[tree.Node, str, str]
"""What is wrong, what would be right, what it is."""

_KINDS = {
    Kind.BOOL: "true or false",
    Kind.COUNT: "an integer from 0",
    Kind.POSITIVE: "an integer from 1",
    Kind.DURATION: 'a duration such as 30, "10s" or "1h30m"',
    Kind.TEXT: "text",
    Kind.MAP: "a map",
    Kind.ARRAY: "an array",
}


def misfit(option: Option, value: tree.Node) -> Misfit | None:
    """None where `value` may be right."""
    if isinstance(value, tree.NullLiteral):
        fits = (option.default is None and not option.required) or option.kind is Kind.ANY
        return None if fits else (value, wanted(option), "null")
    found = _literal(value)
    if found is None or option.kind is Kind.ANY:
        return None
    if not _fits(option, found, value):
        return value, wanted(option), _shown(found, value)
    if isinstance(value, tree.MapLiteral):
        return _entry(option, value)
    return None


def _literal(value: tree.Node) -> object:
    """The value of a literal, the node itself where that is an array, a map or a template; else None."""
    if isinstance(value, tree.StringLiteral | tree.NumberLiteral | tree.BoolLiteral):
        return value.value
    if isinstance(value, tree.Unary) and value.operator == "-":
        operand = value.operand
        return -operand.value if isinstance(operand, tree.NumberLiteral) else None
    return value if isinstance(value, tree.ArrayLiteral | tree.MapLiteral | tree.Template) else None


def _fits(option: Option, found: object, value: tree.Node) -> bool:
    kind = option.kind
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    if kind is Kind.BOOL:
        return isinstance(found, bool)
    if kind is Kind.MAP:
        return isinstance(value, tree.MapLiteral)
    if kind is Kind.ARRAY:
        return isinstance(value, tree.ArrayLiteral)
    if isinstance(value, tree.Template):
        return kind in (Kind.TEXT, Kind.DURATION)
    if kind is Kind.TEXT:
        return isinstance(found, str) and (not option.words or found in option.words)
    if kind is Kind.DURATION and isinstance(found, str):
        try:
            found, is_number = seconds(found), True
        except Fault:
            return False
    if not is_number or (kind is not Kind.DURATION and not isinstance(found, int)):
        return False
    least = 1 if kind is Kind.POSITIVE else 0
    assert isinstance(found, int | float)
    return found >= least and (option.most is None or found <= option.most)


def wanted(option: Option) -> str:
    """What an option takes, in words."""
    if option.words:
        return " or ".join(f'"{word}"' for word in option.words)
    takes = _KINDS.get(option.kind, "a value")
    if option.most is None:
        return takes
    unit = " seconds" if option.kind is Kind.DURATION else ""
    return f"{takes} to {option.most:g}{unit}" if not unit else f"{takes}, at most {option.most:g}{unit}"


def _shown(found: object, value: tree.Node) -> str:
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, str):
        return f'"{found if len(found) <= 40 else found[:37] + "…"}"'
    if isinstance(found, int | float):
        return repr(found)
    names = {tree.ArrayLiteral: "an array", tree.MapLiteral: "a map"}
    return names.get(type(value), "a string")


def _entry(option: Option, value: tree.MapLiteral) -> Misfit | None:
    """The first key that `env:` or `files:` cannot have."""
    for entry in value.entries:
        key = entry.key
        if not isinstance(key, tree.StringLiteral):
            continue
        name = key.value
        if option.name == "env" and (not name or "=" in name or name.startswith("CODEAI_")):
            return key, "names without `=` that do not begin with CODEAI_", f'"{name}"'
        if option.name == "files" and (name in ("", ".", "..") or "/" in name):
            return key, "file names without `/`", f'"{name}"'
    return None
