"""`codeai state`: where a run is."""

from __future__ import annotations

from typing import Any

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.newest import RunId, run_id
from codeai.cli.options import AsOutput, Url
from codeai.cli.terminal import Output, local_time, put_json, visible

app = new()


@app.command()
def state(id: RunId = None, output: AsOutput = Output.TABLE, url: Url = None) -> None:
    """Shows the line, the variables and what a run waits for.

    Example: codeai state --output json
    """
    api = connect(url)
    found = api.get(f"/executions/{run_id(api, id)}/state")
    if output is Output.JSON:
        put_json(found)
    else:
        _put(found)


def _put(found: dict[str, Any]) -> None:
    if found.get("as_of"):
        print(f"as of {local_time(found['as_of'])}: no worker answers for it")
    for fibre in found.get("fibres", ()):
        waits = f", waits for {fibre['waits']}" if fibre.get("waits") else ""
        print(f"fibre {fibre['fibre']} at line {fibre['line']}{waits}")
        for name, value in fibre.get("variables", {}).items():
            print(visible(f"  {name} = {_short(value)}"))
    for asked in found.get("pending", ()):
        print(f"step {asked['step']}, line {asked['line']}: {asked['effect']}")
    if found.get("undo"):
        print(f"to be undone if it fails: steps {', '.join(str(step) for step in found['undo'])}")


def _short(value: Any) -> str:
    import json

    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:199] + "…"
