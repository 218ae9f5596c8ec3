"""`codeai compensate`: undoes what an ended run did."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.exits import Done, Exit
from codeai.cli.follow import View, follow, put_undo_failed
from codeai.cli.newest import RunId, run_id
from codeai.cli.options import AsOutput, Url
from codeai.cli.reopening import Reopening
from codeai.cli.telling import Comment
from codeai.cli.terminal import Output, put_json, put_line

app = new()


@app.command()
def compensate(
    id: RunId = None,
    comment: Comment = None,
    detach: Annotated[bool, typer.Option("--detach", help="Start it and leave.")] = False,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Undoes what an ended run did and nobody has undone yet, last first; ends with 0 when all of it is undone.

    Example: codeai compensate
    """
    api = connect(url)
    run = run_id(api, id)
    ended_at = api.get(f"/executions/{run}").get("completed_at")
    request = Reopening(api, run, "compensate", {"comment": comment})
    told = request.send(wait=False)
    if detach:
        put_line(told["id"], told, output)
        return
    view = View(json=output is Output.JSON, since=ended_at)
    try:
        follow(api, run, view)
        result = request.awaited()
    except KeyboardInterrupt:
        view.end_line()
        print(f"detached; it goes on. See how it ends: codeai executions show {run}", file=sys.stderr)
        raise Done(Exit.DETACHED) from None
    if output is Output.JSON:
        put_json(result)
    else:
        print(f"{result['status']}: {run}", file=sys.stderr)
        put_undo_failed(result)
    undone = result["status"] == "compensated" and not result["undo_failed"]
    raise Done(Exit.OK if undone else Exit.FAILED)
