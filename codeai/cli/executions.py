"""`codeai executions`: the runs there were."""

from __future__ import annotations

from typing import Annotated

import typer

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.newest import RunId, run_id
from codeai.cli.options import AsOutput, Filter, Limit, Url
from codeai.cli.resources import put_list
from codeai.cli.terminal import Output, put_items, put_thing

SHORT_ID = 8
"""Characters of a host's id that tell it from the others of `codeai status`."""

app = new("The runs there were.", no_args_is_help=True)


@app.command("list")
def list_executions(
    status: Annotated[
        str | None, typer.Option("--status", help="Only these: running, waiting, failed, complete …")
    ] = None,
    filter: Filter = None,
    limit: Limit = 20,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Lists runs, newest first.

    Example: codeai executions list --status failed
    """
    columns = ("id", "status", "started_at", "completed_at", "triggered_by", "status_text", "command")
    put_list("/executions", columns, limit, output, url, filter=filter, status=status)


@app.command("show")
def show_execution(id: RunId = None, output: AsOutput = Output.TABLE, url: Url = None) -> None:
    """Shows one run.

    Example: codeai executions show
    """
    api = connect(url)
    put_thing(api.get(f"/executions/{run_id(api, id)}"), output)


@app.command("steps")
def list_steps(id: RunId = None, output: AsOutput = Output.TABLE, url: Url = None) -> None:
    """Lists the steps of a run in the order of their starts.

    Example: codeai executions steps
    """
    api = connect(url)
    items = api.everything(f"/executions/{run_id(api, id)}/steps")
    if output is Output.TABLE:
        items = [{**item, "host": item["host"] and item["host"][:SHORT_ID]} for item in items]
    put_items(
        items,
        ("seq", "line", "kind", "attempt", "status", "exit_code", "host", "started_at", "command"),
        output,
    )
