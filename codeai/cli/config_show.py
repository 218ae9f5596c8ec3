"""`codeai config show`: the settings in force and where each comes from."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from codeai.cli.commands import new
from codeai.cli.exits import Stop
from codeai.cli.terminal import Output, put_items

app = new("Shows the settings. Example: codeai config show", no_args_is_help=True)


@app.callback()
def _settings() -> None:
    pass


@app.command()
def show(
    config: Annotated[Path | None, typer.Option(help="a settings file")] = None,
    output: Annotated[Output, typer.Option(help="how it is printed")] = Output.TABLE,
) -> None:
    """Prints every setting, its value and where it comes from; secrets are masked. Example: codeai config show"""
    from codeai.settings import ROWS, BadSettings, load, shown

    try:
        settings = load(os.environ, config)
    except BadSettings as problem:
        raise Stop(str(problem)) from None
    for note in settings.notes:
        print(f"codeai: {note}", file=sys.stderr)
    lines = [
        {"setting": path, "value": value, "from": origin, "name": row.names[0], "about": row.help}
        for row, (path, value, origin) in zip(ROWS, shown(settings), strict=True)
    ]
    put_items(lines, ("setting", "value", "from", "name"), output)
