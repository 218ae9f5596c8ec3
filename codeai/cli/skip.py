"""`codeai skip`: a parked run goes on behind its failed statement."""

from __future__ import annotations

from typing import Annotated

import typer

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.options import AsOutput, Url, json_value
from codeai.cli.telling import Comment, Fibre, ParkedRun, parked_run, tell
from codeai.cli.terminal import Output

app = new()


@app.command()
def skip(
    id: ParkedRun = None,
    value: Annotated[
        str | None,
        typer.Option("--value", metavar="JSON", help="What its expression is taken to be; default: null."),
    ] = None,
    fibre: Fibre = None,
    comment: Comment = None,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Lets a parked run go on behind its failed statement.

    Example: codeai skip --value '"v1.4.2"' --comment "tagged by hand"
    """
    given = None if value is None else json_value("--value", value)
    api = connect(url)
    tell(api, parked_run(api, id), "skip", output, value=given, fibre=fibre, comment=comment)
