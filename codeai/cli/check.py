"""`codeai check`: what is wrong with programs, before they run."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from codeai.cli.commands import new
from codeai.cli.exits import Done, Exit
from codeai.cli.options import read_bytes

app = new()


class Format(StrEnum):
    """What `--format` takes."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Programs; - is standard input.")],
    format: Annotated[
        Format, typer.Option("--format", help="text, json, or GitHub's annotations.")
    ] = Format.TEXT,
    shell: Annotated[bool, typer.Option("--shell", help="Ask `bash -n` about the commands, too.")] = False,
) -> None:
    """Shows what is wrong with programs; ends with 1 where there are errors.

    Example: codeai check release.cai --format json
    """
    from codeai.cli.terminal import visible
    from codeai.dsl.check import check as examined
    from codeai.dsl.diagnostics import Severity, render_github, render_text, to_json

    found = []
    errors = False
    for file in files:
        checked = examined(read_bytes(file))
        diagnostics = list(checked.diagnostics)
        if shell and checked.tree is not None:
            from codeai.cli.bash_syntax import shell_errors

            diagnostics = sorted(
                [*diagnostics, *shell_errors(checked)], key=lambda one: (one.line, one.column)
            )
        errors = errors or any(one.severity is Severity.ERROR for one in diagnostics)
        if format is Format.TEXT:
            print(visible(render_text(diagnostics, checked.source, str(file))), end="")
        elif format is Format.GITHUB:
            print(render_github(diagnostics, str(file)), end="")
        else:
            found += to_json(diagnostics, str(file))
    if format is Format.JSON:
        print(json.dumps(found, ensure_ascii=False))
    if errors:
        raise Done(Exit.FAILED)
