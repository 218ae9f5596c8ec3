"""`codeai patch`: a run goes on at its failed statement with an edited program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codeai.cli.checked_programs import valid_program
from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.exits import Exit, Stop
from codeai.cli.newest import run_id
from codeai.cli.options import AsOutput, Url
from codeai.cli.reopening import Detach, go_on
from codeai.cli.telling import Comment, newest_of
from codeai.cli.terminal import Output

app = new()


@app.command()
def patch(
    given: Annotated[
        list[str],
        typer.Argument(
            metavar="[ID] FILE",
            help="The run (default: the newest that is parked, paused or failed), "
            "then the edited program; -: standard input.",
        ),
    ],
    comment: Comment = None,
    detach: Detach = False,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Goes on with an edited program: a run that is parked or paused, or one that has failed, which is followed then.
    What has run must be unchanged; the statement that failed, and all that has not run, may be any other.

    Example: codeai patch release.cai --comment "the tag was misspelt"
    """
    if len(given) > 2:
        raise Stop("say with which program: codeai patch [ID] FILE", Exit.INVALID)
    *ids, file = given
    program = valid_program(Path(file), output).source.text
    api = connect(url)
    run = run_id(api, ids[0] if ids else newest_of(api, "parked", "paused", "failed"))
    again = f"codeai patch {run} {file}"
    go_on(
        api,
        run,
        "patch",
        output,
        again=again,
        detach=detach,
        source=program,
        program=program,
        comment=comment,
    )
