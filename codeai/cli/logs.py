"""`codeai logs`: what a run printed."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.exits import Done, Exit, Stop
from codeai.cli.follow import Lines, View, follow
from codeai.cli.newest import RunId, run_id
from codeai.cli.options import AsOutput, Url
from codeai.cli.terminal import Output, for_stream, put_json

app = new()


@app.command()
def logs(
    id: RunId = None,
    follow_on: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Control characters as they are; not on a terminal.")
    ] = False,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Shows the output of a run: its stdout on stdout, all else on stderr. As JSON it is one object, or with -f a line
    for each piece.

    Example: codeai logs -f
    """
    if raw and sys.stdout.isatty():
        raise Stop("--raw is for a file or a pipe: a terminal would obey what a step printed", Exit.INVALID)
    api = connect(url)
    run = run_id(api, id)
    if follow_on:
        try:
            follow(api, run, Lines(steps=False) if output is Output.JSON else View(raw=raw, steps=False))
        except KeyboardInterrupt:
            raise Done(Exit.DETACHED) from None
        return
    lines = api.each(f"/executions/{run}/logs")
    if output is Output.JSON:
        put_json({"items": list(lines)})
        return
    for line in lines:
        to = sys.stdout if line["stream"] == "stdout" else sys.stderr
        to.write(for_stream(line["text"], to, raw=raw))
