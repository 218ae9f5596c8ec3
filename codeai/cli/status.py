"""`codeai status`: what runs here, and which hosts it has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.exits import Done, Exit, Stop
from codeai.cli.terminal import Output, cell, plain, put_json, put_table

if TYPE_CHECKING:
    from codeai.stack.folder import DataFolder, Running

app = new()


@app.command()
def status(
    output: Annotated[Output, typer.Option(help="how it is printed")] = Output.TABLE,
    data_dir: Annotated[Path | None, typer.Option(help="the data folder (default: .codeai)")] = None,
) -> None:
    """Shows the platform of this folder: its processes, where they are, and its hosts with their labels and slots.
    Example: codeai status"""
    from codeai.stack.errors import NotRunning
    from codeai.stack.folder import DataFolder
    from codeai.stack.locate import data_folder

    folder = DataFolder.chosen(data_dir, os.environ) if data_dir else data_folder()
    running = None if folder is None else folder.running()
    if folder is None or running is None:
        raise Stop(str(NotRunning()))
    told = described(folder, running) | {"hosts": _hosts(running)}
    if output is Output.JSON:
        put_json(told)
    else:
        rows = [
            ["up", str(running.process.pid), "running" if running.ready else "starting", str(folder.path)]
        ]
        rows += [
            [str(child[key] or "-") for key in ("name", "pid", "status", "address")]
            for child in told["children"]
        ]
        rows += [["web ui", "-", "running", running.ui]] if running.ui else []
        put_table(rows, ("name", "pid", "status", "where"))
        if told["hosts"]:
            print()
            put_table(
                [_row(host) for host in told["hosts"]], ("host", "labels", "slots", "last seen", "state")
            )
    if told["status"] != "running":
        raise Done(Exit.FAILED)


def _hosts(running: Running) -> list[dict[str, Any]] | None:
    """The hosts that were seen within the hour, as the API tells of them; None where it does not."""
    if not running.ready:
        return None
    try:
        hosts: list[dict[str, Any]] | None = connect(running.url).get("/health").get("hosts")
    except Stop:
        return None
    return hosts


def _row(host: Mapping[str, Any]) -> list[str]:
    labels = ", ".join(label or "(none)" for label in host["labels"])
    taken = f"{host['slots_taken']} of {host['slots']} taken"
    return [f"{plain(host['name'])} ({host['id']})", labels, taken, cell(host["last_seen"]), host["state"]]


def described(folder: DataFolder, running: Running) -> dict[str, Any]:
    """A platform as JSON: `status` is `starting` until all of its processes run."""
    from codeai.stack.processes import Process

    places = {"api": running.url, "temporal": running.temporal, "worker": None}
    places["postgres"] = f"127.0.0.1:{folder.noted()['postgres']['port']}"
    children = [
        {
            "name": name,
            "pid": pid,
            "status": "running" if Process.of(pid) is not None else "restarting",
            "address": places.get(name),
        }
        for name, pid in sorted(running.children.items())
    ]
    well = running.ready and all(child["status"] == "running" for child in children)
    return {
        "status": "running" if well else "starting",
        "pid": running.process.pid,
        "url": running.url,
        "temporal_address": running.temporal,
        "ui_url": running.ui,
        "data": str(folder.path),
        "children": children,
    }
