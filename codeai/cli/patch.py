"""`codeai patch`: a run goes on at its failed statement with an edited program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.exits import Exit, Stop
from codeai.cli.follow import ENDED
from codeai.cli.newest import run_id
from codeai.cli.options import AsOutput, Url
from codeai.cli.reopening import Reopening
from codeai.cli.run import follow_to_end
from codeai.cli.telling import Comment, newest_parked, tell
from codeai.cli.terminal import Output, put_json

app = new()


@app.command()
def patch(
    given: Annotated[
        list[str],
        typer.Argument(
            metavar="[ID] FILE",
            help="The run (default: the newest that is parked), then the edited program; -: standard input.",
        ),
    ],
    comment: Comment = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Of a run that has ended: start it and leave.")
    ] = False,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Goes on with an edited program: a run that is parked or paused, or one that has failed, which is followed then.
    What has run must be unchanged; the statement that failed, and all that has not run, may be any other.

    Example: codeai patch release.cai --comment "the tag was misspelt"
    """
    from codeai.cli.checked_programs import valid_program

    if len(given) > 2:
        raise Stop("say with which program: codeai patch [ID] FILE", Exit.INVALID)
    *ids, file = given
    program = valid_program(Path(file), output).source.text
    api = connect(url)
    run = run_id(api, ids[0] if ids else newest_parked(api))
    known = api.get(f"/executions/{run}")
    if known["status"] not in ENDED:
        tell(api, run, "patch", output, program=program, comment=comment)
        return
    told = Reopening(api, run, "patch", {"program": program, "comment": comment}).send(wait=False)
    if detach:
        print(told["id"]) if output is Output.TABLE else put_json(told)
        return
    follow_to_end(api, run, output, program, f"codeai patch {run} {file}", since=known["completed_at"])
