"""Checks programs and prints what is wrong with them. Imports no command-line library: editors run it often."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from codeai.cli.exits import Exit
from codeai.cli.files import read_all
from codeai.cli.terminal import harmless, visible


class Format(StrEnum):
    """What `--format` takes."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def check_files(files: Sequence[Path], format: Format, shell: bool) -> Exit:
    """Prints the diagnostics of all files; FAILED where one of them is an error. Raises Stop where some cannot be
    read, after the others."""
    from codeai.dsl.check import check
    from codeai.dsl.diagnostics import Severity, render_github, render_text, to_json

    found = []
    errors = False
    read, unread = read_all(files)
    for file, data in read:
        checked = check(data)
        diagnostics = list(checked.diagnostics)
        if shell and checked.tree is not None:
            from codeai.cli.bash_syntax import shell_errors

            diagnostics += shell_errors(checked)
            diagnostics.sort(key=lambda one: (one.line, one.column))
        errors = errors or any(one.severity is Severity.ERROR for one in diagnostics)
        if format is Format.TEXT:
            print(visible(render_text(diagnostics, checked.source, str(file))), end="")
        elif format is Format.GITHUB:
            print(render_github(diagnostics, str(file)), end="")
        else:
            found += to_json(diagnostics, str(file))
    if format is Format.JSON:
        print(harmless(json.dumps(found, ensure_ascii=False)))
    if unread is not None:
        raise unread
    return Exit.FAILED if errors else Exit.OK


def checked_at_once(words: Sequence[str]) -> Exit | None:
    """`check` with these words; None where they need the command line's full attention (help, a mistake)."""
    files: list[Path] = []
    format, shell = Format.TEXT, False
    rest = iter(words)
    for word in rest:
        value = next(rest, "") if word == "--format" else word.removeprefix("--format=")
        if word == "--shell":
            shell = True
        elif word.startswith("--format") and value in tuple(Format):
            format = Format(value)
        elif word.startswith("-") and word != "-":
            return None
        else:
            files.append(Path(word))
    return check_files(files, format, shell) if files else None
