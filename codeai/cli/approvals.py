"""`codeai approvals`: what waits for a person."""

from __future__ import annotations

import typer

from codeai.cli.commands import new
from codeai.cli.options import AsOutput, Filter, Limit, Url
from codeai.cli.resources import put_list
from codeai.cli.terminal import Output, put_thing

_COLUMNS = ("execution_id", "step", "text", "role", "deadline", "asked_at")

app = new("What waits for a person; without a word behind it: the list.", invoke_without_command=True)


@app.callback()
def approvals(
    context: typer.Context,
    filter: Filter = None,
    limit: Limit = 20,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """What waits for a person; without a word behind it: the list.

    Example: codeai approvals
    """
    if context.invoked_subcommand is None:
        list_approvals(filter, limit, output, url)


@app.command("list")
def list_approvals(
    filter: Filter = None, limit: Limit = 20, output: AsOutput = Output.TABLE, url: Url = None
) -> None:
    """Lists the open approvals of all runs, newest first.

    Example: codeai approvals list
    """
    put_list("/approvals", _COLUMNS, limit, output, url, filter=filter)


@app.command("key")
def new_signing_key(output: AsOutput = Output.TABLE) -> None:
    """Makes a pair of keys: with the private one the API signs decisions, the public one shows workers that it did.

    Example: codeai approvals key
    """
    from codeai.sealing import new_private
    from codeai.signing import public_of

    private = new_private()
    put_thing({"private": private, "public": public_of(private)}, output)
