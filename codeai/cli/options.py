"""Options that several commands share."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from codeai.cli.exits import Exit, Stop
from codeai.cli.files import read_bytes
from codeai.cli.terminal import Output

Url = Annotated[
    str | None, typer.Option("--url", help="The API; default: CODEAI_URL, or what `codeai up` runs.")
]
AsOutput = Annotated[Output, typer.Option("--output", help="How the answer is printed.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many at most.")]
Filter = Annotated[
    str | None,
    typer.Option("--filter", metavar="CONDITION", help="Only these, such as: name:~app (docs/query.md)."),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", metavar="NAME=TEXT", help="An input; NAME:=JSON for a value."),
]
InputsFile = Annotated[
    Path | None, typer.Option("--inputs", metavar="FILE", help="Inputs from a JSON object.")
]


class Policy(StrEnum):
    """What `--failure-policy` takes."""

    UNDO = "undo"
    PARK = "park"
    FAIL = "fail"


OnFailure = Annotated[Policy | None, typer.Option("--failure-policy", help="What an uncaught error does.")]
ParkTimeout = Annotated[
    str | None,
    typer.Option("--park-timeout", metavar="DURATION", help="How long it may be parked; default: 7d."),
]


def input_texts(given: list[str] | None) -> dict[str, str]:
    """`-i name=text` and `-i name:=json` by name; a name that ends in `:` has JSON. Raises Stop."""
    texts: dict[str, str] = {}
    for one in given or ():
        name, equals, text = one.partition("=")
        if not equals or not name.rstrip(":"):
            raise Stop(f"-i {one!r} is neither NAME=TEXT nor NAME:=JSON", Exit.INVALID)
        texts[name] = text
    return texts


def input_values(given: list[str] | None, file: Path | None) -> dict[str, Any]:
    """Inputs for what is not looked at here: text stays text, `:=` is JSON. Raises Stop."""
    values = read_inputs(file)
    for name, text in input_texts(given).items():
        if not name.endswith(":"):
            values[name] = text
            continue
        try:
            values[name[:-1]] = json.loads(text)
        except ValueError as error:
            raise Stop(f"-i {name}= is no JSON: {error}", Exit.INVALID) from None
    return values


def read_inputs(file: Path | None) -> dict[str, Any]:
    """The JSON object in `file`. Raises Stop."""
    if file is None:
        return {}
    try:
        values = json.loads(read_bytes(file))
    except (ValueError, RecursionError) as error:
        raise Stop(f"{file}: is no JSON: {error}", Exit.INVALID) from None
    if not isinstance(values, dict):
        raise Stop(f"{file}: must hold one JSON object with the inputs", Exit.INVALID)
    return values


def json_value(option: str, text: str) -> Any:
    """The JSON that an option has. Raises Stop."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise Stop(f"{option} is no JSON: {error} (a text is quoted: '\"v1\"')", Exit.INVALID) from None


def seconds(option: str, text: str | None) -> float | None:
    """A duration as seconds: `90m`, `2d`. Raises Stop."""
    from codeai.dsl.builtins_time import duration_of
    from codeai.dsl.faults import Fault

    if text is None:
        return None
    try:
        return duration_of(text)
    except Fault as fault:
        raise Stop(f"{option}: {fault.message}", Exit.INVALID) from None


def on_failure(policy: Policy | None, park_timeout: str | None) -> dict[str, Any]:
    """What a body says of failures; what was not given is left out. Raises Stop."""
    given = {
        "failure_policy": None if policy is None else policy.value,
        "park_timeout": seconds("--park-timeout", park_timeout),
    }
    return {name: value for name, value in given.items() if value is not None}
