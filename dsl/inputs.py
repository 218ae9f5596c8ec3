"""The inputs of a run: whether they fit a program's parameters, and what text on a command line means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from codeai.dsl.builtins_text import json_decode
from codeai.dsl.faults import Fault
from codeai.dsl.program import Code, Param
from codeai.dsl.values import Value, from_plain, named, type_name

MOST_PROBLEMS, MOST_NAMED, MOST_NAME = 100, 20, 100
"""Problems that are told, params that one names, and characters of a name: anybody may send 100,000 inputs, and a run
whose error has over 2 MiB could not even fail."""


@dataclass(frozen=True, slots=True)
class InputProblem:
    """What is wrong with one input; line and column of its parameter, 0 where the program has none."""

    name: str
    message: str
    line: int = 0
    column: int = 0


def check_inputs(code: Code, values: Mapping[str, Any], complete: bool = True) -> list[InputProblem]:
    """What is wrong with inputs (plain data by name): unknown, missing, or not of the type of a default that is a
    number, bool, array or map; the first hundred. Not `complete`: required ones may be missing."""
    params = {param.name: param for param in code.params}
    known = _known(params)
    unknown = islice((name for name in values if name not in params), MOST_PROBLEMS)
    problems = [
        InputProblem(name[:MOST_NAME], f'the program has no param "{shortened(name)}"{known}')
        for name in unknown
    ]
    for param in code.params:
        if len(problems) >= MOST_PROBLEMS:
            break
        if param.name in values:
            wrong = _wrong(param, values[param.name])
        else:
            wrong = f'the input "{shortened(param.name)}" is required' if param.required and complete else ""
        if wrong:
            problems.append(InputProblem(param.name[:MOST_NAME], wrong, param.line, param.column))
    return problems


def shortened(name: str) -> str:
    """A name that anybody may have made up, as messages show it."""
    return name if len(name) <= MOST_NAME else f"{name[:MOST_NAME]}…"


def _known(params: Mapping[str, Param]) -> str:
    if not params:
        return ": it takes no inputs"
    named = ", ".join(shortened(name) for name in islice(params, MOST_NAMED))
    return f"; it has {named}" + (f" and {len(params) - MOST_NAMED} more" if len(params) > MOST_NAMED else "")


def _wrong(param: Param, plain: Any) -> str:
    try:
        value = from_plain(plain)
    except Fault as fault:
        return f'the input "{shortened(param.name)}": {fault.message}'
    found = type_name(value)
    if param.type in (None, "string", found) or (param.type == "float" and found == "integer"):
        return ""
    return (
        f'the input "{shortened(param.name)}" takes the type of its default, {param.type}, not {named(value)}'
    )


def parse_inputs(code: Code, texts: Mapping[str, str]) -> tuple[dict[str, Value], list[InputProblem]]:
    """Inputs as given on a command line: text, or JSON where the name ends in `:` or the default is no text.
    The problems are those of reading them: `check_inputs` finds the others."""
    params = {param.name: param for param in code.params}
    values: dict[str, Value] = {}
    problems: list[InputProblem] = []
    for key, text in texts.items():
        name = key.removesuffix(":")
        param = params.get(name)
        try:
            if key != name:
                values[name] = json_decode(from_plain(text))
            else:
                values[name] = _read(param.type if param else None, text)
        except Fault as fault:
            message = f'the input "{name}": {fault.message}'
            line, column = (param.line, param.column) if param else (0, 0)
            problems.append(InputProblem(name, message, line, column))
    return values, problems


def _read(kind: str | None, text: str) -> Value:
    """Text, read as JSON where the default is a number, bool, array or map."""
    return from_plain(text) if kind in (None, "string") else json_decode(from_plain(text))
