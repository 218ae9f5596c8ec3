"""`codeai roles`: what callers may do who hold them."""

from __future__ import annotations

from typing import Annotated

import typer

from codeai.cli.client import connect, segment
from codeai.cli.commands import new
from codeai.cli.options import AsOutput, Filter, Limit, Url
from codeai.cli.resources import delete, put_list
from codeai.cli.terminal import Output, put_thing

app = new("What callers may do, by the names of their roles.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, `.`, `_` and `-`.")]
Permissions = Annotated[
    list[str] | None,
    typer.Option("--permission", "-p", help="resource:action, `*` on either side; may be given again."),
]
Inherits = Annotated[
    list[str] | None, typer.Option("--inherits", help="A role that it builds on; may be given again.")
]
_COLUMNS = ("name", "version", "inherits", "permissions")


@app.command("list")
def list_roles(
    filter: Filter = None, limit: Limit = 20, output: AsOutput = Output.TABLE, url: Url = None
) -> None:
    """Lists the roles, newest first.

    Example: codeai roles list
    """
    put_list("/roles", _COLUMNS, limit, output, url, filter=filter)


@app.command("show")
def show_role(name: Name, output: AsOutput = Output.TABLE, url: Url = None) -> None:
    """Shows one role.

    Example: codeai roles show editor
    """
    put_thing(connect(url).get(f"/roles/{segment(name)}"), output)


@app.command("set")
def set_role(
    name: Name,
    permission: Permissions = None,
    inherits: Inherits = None,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Stores a role, new or in the place of what has its name.

    Example: codeai roles set releaser --inherits viewer -p deployments:execute -p secrets:use
    """
    body = {"permissions": permission or [], "inherits": inherits or []}
    put_thing(connect(url).change("PUT", f"/roles/{segment(name)}", body), output)


@app.command("delete")
def delete_role(name: Name, output: AsOutput = Output.TABLE, url: Url = None) -> None:
    """Removes a role that no other inherits.

    Example: codeai roles delete releaser
    """
    delete("roles", name, output, url)
