"""`codeai events`: what happened, and telling the platform what has happened elsewhere."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer

from codeai.cli.client import Api, connect, segment
from codeai.cli.commands import new
from codeai.cli.exits import Exit, Stop
from codeai.cli.options import AsOutput, Filter, Limit, Url
from codeai.cli.resources import put_list
from codeai.cli.terminal import Output, put_json, put_thing

app = new("What happened, and telling runs that wait for it.", no_args_is_help=True)

STORED_WITHIN = 30.0
"""Seconds after which `publish` no longer waits: the event is accepted and is stored as soon as that is possible."""


@app.command("list")
def list_events(
    type: Annotated[str | None, typer.Option("--type", help="Only events of this type.")] = None,
    filter: Filter = None,
    limit: Limit = 20,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Lists events, newest first.

    Example: codeai events list --type change.config.created
    """
    columns = ("id", "type", "source", "timestamp", "data")
    put_list("/events", columns, limit, output, url, filter=filter, type=type)


@app.command("show")
def show_event(
    id: Annotated[str, typer.Argument(metavar="ID", help="An event's id.")],
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Shows one event.

    Example: codeai events show 0190a8f0-3f5c-7cc0-8e7d-4f5a8b9c0d1e
    """
    put_thing(connect(url).get(f"/events/{segment(id)}"), output)


@app.command("publish")
def publish_event(
    type: Annotated[str, typer.Argument(metavar="TYPE", help="Words with dots between, as order.paid.")],
    data: Annotated[str, typer.Option("--data", metavar="JSON", help="A JSON object.")] = "{}",
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Publishes an event. Runs that wait for it go on.

    Example: codeai events publish order.paid --data '{"order": 7}'
    """
    body = {"type": type, "data": _object(data)}
    api = connect(url)
    id = str(api.ask("POST", "/events", body).body["id"])
    event = _stored(api, id)
    if output is Output.JSON:
        put_json(event)
    else:
        print(f"published: {id}" if "type" in event else f"accepted, not stored yet: {id}")


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Stop(f"--data is no JSON: {error}", Exit.INVALID) from None
    if not isinstance(value, dict):
        raise Stop('--data takes a JSON object, such as {"order": 7}', Exit.INVALID)
    return value


def _stored(api: Api, id: str) -> dict[str, Any]:
    """The event when it is stored; as it was accepted where that takes long."""
    until = time.monotonic() + STORED_WITHIN
    while True:
        event: dict[str, Any] = api.get(f"/events/{id}")
        if "type" in event or time.monotonic() > until:
            return event
        time.sleep(0.1)
