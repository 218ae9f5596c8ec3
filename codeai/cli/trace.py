"""`codeai trace`: what a run did, statement by statement."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.newest import RunId, run_id
from codeai.cli.options import AsOutput, Url
from codeai.cli.standing import put_standing
from codeai.cli.terminal import Output, put_json
from codeai.cli.tracing import put_entries

app = new()


@app.command()
def trace(
    id: RunId = None,
    first: Annotated[
        int | None, typer.Option("--from", metavar="N", help="The first entry; below zero: from the end.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many at most.")] = 200,
    error: Annotated[bool, typer.Option("--error", help="The entries before the last error.")] = False,
    back: Annotated[
        bool, typer.Option("--back", help="Backwards, with the values before; from the end unless --from.")
    ] = False,
    at: Annotated[
        int | None, typer.Option("--at", metavar="N", help="All that could be seen behind entry N.")
    ] = None,
    run: Annotated[
        int | None, typer.Option("--run", metavar="N", min=1, help="One workflow run of a very long run.")
    ] = None,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Shows what a run did, statement by statement, with the values that changed: also of a run that has ended.

    Example: codeai trace --from -20
    """
    api = connect(url)
    begin = first if first is not None else -limit if back else 1
    query: dict[str, Any] = {"from": begin, "limit": limit, "at": at, "run": run}
    if error:
        query["around"] = "error"
    found = api.get(f"/executions/{run_id(api, id)}/trace", **query)
    if back:
        found["items"].reverse()
    if output is Output.JSON:
        put_json(found)
        return
    put_entries(found["items"], before=back)
    if found["view"] is not None:
        put_standing(found["view"])
    else:
        print(_summary(found))


def _summary(found: dict[str, Any]) -> str:
    """Which part of the trace this was, and whether there is more."""
    numbers = [item["index"] for item in found["items"]]
    shown = f"{min(numbers)} to {max(numbers)} of {found['total']} entries" if numbers else "no entries"
    more = "" if found["complete"] else ", and the run goes on" if not found["cut"] else f"; {found['cut']}"
    return f"{shown}{more}"
