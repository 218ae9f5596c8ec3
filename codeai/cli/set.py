"""`codeai set`: gives a variable of a parked run another value."""

from __future__ import annotations

from typing import Annotated

import typer

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.exits import Exit, Stop
from codeai.cli.options import AsOutput, Url, input_values
from codeai.cli.telling import Comment, Fibre, parked_run, tell
from codeai.cli.terminal import Output

app = new()


@app.command("set")
def set_variable(
    given: Annotated[
        list[str],
        typer.Argument(
            metavar="[ID] NAME=TEXT…",
            help="The run (default: the newest that is parked), then variables; NAME:=JSON for a value.",
        ),
    ],
    fibre: Fibre = None,
    comment: Comment = None,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Gives variables that the failed statement of a parked run sees other values; retry it then.

    Example: codeai set replicas:=3 image=registry.local/billing
    """
    id = given[0] if "=" not in given[0] else None
    values = input_values(given if id is None else given[1:], None)
    if not values:
        raise Stop("say what to set: codeai set [ID] NAME=TEXT", Exit.INVALID)
    api = connect(url)
    run = parked_run(api, id)
    for name, value in values.items():
        tell(api, run, "set", output, name=name, value=value, fibre=fibre, comment=comment, keep=("value",))
