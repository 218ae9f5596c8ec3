"""Commands to a run: sent, and what it answered."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from codeai.cli.client import Api, segment
from codeai.cli.exits import Stop
from codeai.cli.terminal import Output, put_json

Waiting = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="An execution's id; default: the newest that waits.")
]
Step = Annotated[
    int | None, typer.Option("--step", min=1, help="Which approval, where several of the run are open.")
]
ParkedRun = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="An execution's id; default: the newest that is parked.")
]
ParkedOrFailed = Annotated[
    str | None,
    typer.Argument(
        metavar="[ID]", help="An execution's id; default: the newest that is parked or has failed."
    ),
]
Fibre = Annotated[
    int | None, typer.Option("--fibre", min=1, help="Which fibre, where several of the run are parked.")
]
Comment = Annotated[str | None, typer.Option("--comment", help="Why, for whoever looks later.")]


def tell(api: Api, run: str, word: str, output: Output, *, keep: tuple[str, ...] = (), **body: Any) -> None:
    """Sends the command `word` to a run (its id as `run_id` answers it) and prints what became of it. What is None is
    left out, unless it is one to `keep`."""
    told = send(api, run, word, keep=keep, **body)
    if output is Output.JSON:
        put_json(told)
        return
    step = f", step {told['step']}" if told.get("step") else ""
    later = "; no worker answers, it is done when one does" if told["status"] == "accepted" else ""
    print(f"{told['status']}: {told['id']}{step}{later}")


def send(api: Api, run: str, word: str, *, keep: tuple[str, ...] = (), **body: Any) -> dict[str, Any]:
    """The answer to a command; what is None is left out, unless it is one to `keep`."""
    given = {name: value for name, value in body.items() if value is not None or name in keep}
    told: dict[str, Any] = api.ask("POST", f"/executions/{run}/{word}", given or None).body
    return told


def waiting_run(api: Api, id: str | None) -> str:
    """The id as part of a path; without one that of the newest run that waits for a decision. Raises Stop."""
    if id is not None:
        return segment(id)
    newest = api.get("/approvals", limit=1)["items"]
    if not newest:
        raise Stop("no run waits for a decision")
    return str(newest[0]["execution_id"])


def newest_of(api: Api, *statuses: str) -> str | None:
    """The id of the newest run with one of these statuses."""
    newest = api.get("/executions", limit=1, filter=f"status IN ({', '.join(statuses)})")["items"]
    return str(newest[0]["id"]) if newest else None


def parked_run(api: Api, id: str | None) -> str:
    """The id as part of a path; without one that of the newest run that is parked. Raises Stop."""
    found = id if id is not None else newest_of(api, "parked")
    if found is None:
        raise Stop("no run is parked")
    return segment(found)
