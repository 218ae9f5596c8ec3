"""`codeai state`: where a run is."""

from __future__ import annotations

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.newest import RunId, run_id
from codeai.cli.options import AsOutput, Url
from codeai.cli.standing import put_standing
from codeai.cli.terminal import Output, local_time, put_json

app = new()


@app.command()
def state(id: RunId = None, output: AsOutput = Output.TABLE, url: Url = None) -> None:
    """Shows the line, the variables, what a run waits for, and what would be undone.

    Example: codeai state --output json
    """
    api = connect(url)
    found = api.get(f"/executions/{run_id(api, id)}/state")
    if output is Output.JSON:
        put_json(found)
        return
    as_of = f", as of {local_time(found['as_of'])}" if found.get("as_of") else ""
    print(f"{found['status']}{as_of}")
    put_standing(found)
