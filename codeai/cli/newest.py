"""Which run a command means: the one that is named, else the newest."""

from __future__ import annotations

from typing import Annotated

import typer

from codeai.cli.client import Api, segment
from codeai.cli.exits import Stop

RunId = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="An execution's id; default: the newest run.")
]


def run_id(api: Api, id: str | None) -> str:
    """The id as part of a path. Raises Stop where there is no run at all."""
    if id is not None:
        return segment(id)
    newest = api.get("/executions", limit=1)["items"]
    if not newest:
        raise Stop("there is no run yet; start one with: codeai run FILE")
    return str(newest[0]["id"])
