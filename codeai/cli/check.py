"""`codeai check`: what is wrong with programs, before they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codeai.cli.checking import Format, check_files
from codeai.cli.commands import new
from codeai.cli.exits import Done
from codeai.cli.terminal import Output

app = new()


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Programs; - is standard input.")],
    format: Annotated[
        Format, typer.Option("--format", help="text, json, or GitHub's annotations.")
    ] = Format.TEXT,
    output: Annotated[
        Output, typer.Option("--output", help="How the answer is printed; json is --format json.")
    ] = Output.TABLE,
    shell: Annotated[bool, typer.Option("--shell", help="Ask `bash -n` about the commands, too.")] = False,
) -> None:
    """Shows what is wrong with programs; ends with 1 where there are errors.

    Example: codeai check release.cai --format json
    """
    raise Done(check_files(files, Format.JSON if output is Output.JSON else format, shell))
