"""How a program's values reach a command: as environment variables and files, never by splicing text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from codeai.dsl.faults import Fault, type_fault, value_fault
from codeai.dsl.limits import VARIABLE_TO_SHELL
from codeai.dsl.operators import as_string
from codeai.dsl.requests import Request
from codeai.dsl.values import (
    Array,
    ErrorValue,
    ExecValue,
    Map,
    SecretHandle,
    Value,
    as_text,
    named,
    text_size,
)


@dataclass(frozen=True, slots=True)
class Environment:
    """What a command is given. `unset` are the variables that `env: {NAME: null}` removes, `secrets` and
    `secret_files` those whose text the worker finds; `skipped` are mentioned by a bare word and too large to
    pass, which is only worth a line in the log. With an `error` the command must not start."""

    env: dict[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, SecretHandle] = field(default_factory=dict)
    secret_files: dict[str, SecretHandle] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    error: ErrorValue | None = None


def environment(request: Request) -> Environment:
    """The environment and files of an exec. `error` says also what is wrong with its undo's."""
    try:
        made = _environment(request.text or "", request.variables, request.arguments)
        if request.undo is not None:
            undo_environment(request)
    except Fault as fault:
        return Environment(error=ErrorValue(fault.kind, fault.message, request.line, stderr=""))
    return made


def undo_environment(request: Request) -> Environment:
    """The environment of an exec's undo.

    Raises:
        Fault: kind `value_error` or `type_error`; never where `environment` found nothing wrong.
    """
    assert request.undo is not None
    return _environment(request.undo.text, request.undo.variables, request.undo.arguments)


def _environment(text: str, variables: Mapping[str, Value], options: Mapping[str, Value]) -> Environment:
    env: dict[str, str] = {}
    unset: list[str] = []
    skipped: list[str] = []
    secrets: dict[str, SecretHandle] = {}
    given = options["env"]
    added = given if isinstance(given, Map) else {}
    for name, value in variables.items():
        if name in added:
            continue
        found = _in_environment(value)
        if isinstance(found, SecretHandle):
            secrets[name] = found
        elif text_size(found) <= VARIABLE_TO_SHELL:
            env[name] = found
        elif _expands(text, name):
            raise _too_large(f'the variable "{name}"', found)
        else:
            skipped.append(name)
    for name, value in added.items():
        _check_name(name)
        if value is None:
            unset.append(name)
            continue
        found = _in_environment(value)
        if isinstance(found, SecretHandle):
            secrets[name] = found
        else:
            if text_size(found) > VARIABLE_TO_SHELL:
                raise _too_large(f'"{name}" in env:', found)
            env[name] = found
    files, secret_files = _files(options.get("files"))
    return Environment(env, tuple(unset), files, secrets, secret_files, tuple(skipped))


def _in_environment(value: Value) -> str | SecretHandle:
    """A value as text; with secrets in it, as the worker puts it together."""
    return value if isinstance(value, SecretHandle) else json_with_secrets(value) or as_text(value)


def json_with_secrets(value: Value) -> SecretHandle | None:
    """An array or map as JSON text in which its secrets, escaped, are put later; None where it has none."""
    if not isinstance(value, Array | Map):
        return None
    handles: list[SecretHandle] = []

    def special(one: object) -> Any:
        if isinstance(one, SecretHandle):
            handles.append(one)
            return f"\0{len(handles) - 1}\0"  # no value of the language has a U+0000 in it
        assert isinstance(one, ExecValue | ErrorValue)
        return one.stdout if isinstance(one, ExecValue) else one.fields()

    made = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=special)
    if not handles:
        return None
    parts: list[tuple[str, str]] = []
    for at, piece in enumerate(_HANDLE.split(made)):
        parts += [("text", piece)] if at % 2 == 0 else _in_json(handles[int(piece)])
    return SecretHandle(tuple(parts))


_HANDLE = re.compile(r'"\\u0000(\d+)\\u0000"')


def _in_json(handle: SecretHandle) -> Iterator[tuple[str, str]]:
    """A handle as a JSON string whose secrets are escaped when they are put in."""
    yield "text", '"'
    for kind, part in handle.parts:
        yield (
            ("text", json.dumps(part, ensure_ascii=False)[1:-1])
            if kind == "text"
            else ("secret_in_json", part)
        )
    yield "text", '"'


def _expands(text: str, name: str) -> bool:
    """Whether the text has the variable as `$name` or `${name`."""
    return re.search(rf"\$\{{?{re.escape(name)}(?![A-Za-z0-9_])", text) is not None


def _too_large(what: str, found: str) -> Fault:
    return value_fault(
        f"{what} has {text_size(found):,} bytes, no environment holds more than {VARIABLE_TO_SHELL:,}: "
        "hand it over by files: {name: text}"
    )


def _check_name(name: str) -> None:
    if name.startswith("CODEAI_"):
        raise value_fault(f'"{name}" in env: names that begin with CODEAI_ are the platform\'s')
    if not name or "=" in name or "\0" in name:
        raise value_fault(f'"{name}" in env: is no name of an environment variable')


def _files(given: Value) -> tuple[dict[str, str], dict[str, SecretHandle]]:
    files: dict[str, str] = {}
    secrets: dict[str, SecretHandle] = {}
    for name, value in given.items() if isinstance(given, Map) else ():
        if not name or "/" in name or name in (".", "..") or text_size(name) > 255:
            raise value_fault(f'"{name}" in files: is no file name (it is one name, without "/")')
        found = as_string(value)
        if isinstance(value, SecretHandle):
            secrets[name] = value
        elif found is None:
            raise type_fault(f'"{name}" in files: takes text, not {named(value)}')
        else:
            files[name] = found
    return files, secrets


def for_shell(text: str) -> str:
    """As much of the beginning of a text as an environment holds."""
    return text.encode()[:VARIABLE_TO_SHELL].decode("utf-8", "ignore")
