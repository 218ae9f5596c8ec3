"""`codeai retry`: the failed statement of a run again."""

from __future__ import annotations

from typing import Annotated

import typer

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.follow import ENDED
from codeai.cli.newest import RunId, run_id
from codeai.cli.options import AsOutput, Url
from codeai.cli.reopening import Reopening
from codeai.cli.run import follow_to_end
from codeai.cli.telling import Comment, Fibre, newest_parked, tell
from codeai.cli.terminal import Output, put_json

app = new()


@app.command()
def retry(
    id: RunId = None,
    fibre: Fibre = None,
    comment: Comment = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Of a run that has ended: start it and leave.")
    ] = False,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Does the failed statement again: of a parked run, or of one that has failed, which is followed then.

    Example: codeai retry --comment "the disk is empty again"
    """
    api = connect(url)
    run = run_id(api, id or newest_parked(api))
    known = api.get(f"/executions/{run}")
    if known["status"] not in ENDED:
        tell(api, run, "retry", output, fibre=fibre, comment=comment)
        return
    told = Reopening(api, run, "retry", {"comment": comment}).send(wait=False)
    if detach:
        print(told["id"]) if output is Output.TABLE else put_json(told)
        return
    follow_to_end(api, run, output, None, f"codeai retry {run}", since=known["completed_at"])
