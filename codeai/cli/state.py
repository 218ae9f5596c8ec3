"""`codeai state`: where a run is."""

from __future__ import annotations

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.newest import RunId, run_id
from codeai.cli.options import AsOutput, Url
from codeai.cli.terminal import Output, put_thing

app = new()


@app.command()
def state(id: RunId = None, output: AsOutput = Output.TABLE, url: Url = None) -> None:
    """Shows the statement, the variables and what a run waits for.

    Example: codeai state --output json
    """
    api = connect(url)
    put_thing(api.get(f"/executions/{run_id(api, id)}/state"), output)
