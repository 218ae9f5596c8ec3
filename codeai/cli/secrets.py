"""`codeai secrets`: stored sealed, used by programs, never shown."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from codeai.cli.client import connect, segment
from codeai.cli.commands import new
from codeai.cli.exits import Exit, Stop
from codeai.cli.options import AsOutput, Limit, Url
from codeai.cli.terminal import Output, put_items, put_json, put_thing

app = new("What programs may use and nobody is shown.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, `_`, `.` and `-`.")]
NoMask = Annotated[
    bool, typer.Option("--no-mask", help="Do not take it out of outputs; needed below 8 bytes.")
]
_COLUMNS = ("name", "version", "mask", "key_id", "updated_at")


@app.command("set")
def set_secret(name: Name, no_mask: NoMask = False, output: AsOutput = Output.TABLE, url: Url = None) -> None:
    """Stores a secret; its value is read from standard input, without its last line end.

    Example: printf %s "$TOKEN" | codeai secrets set npm
    """
    body = {"value": _value(), "mask": not no_mask}
    made = connect(url).change("PUT", f"/secrets/{segment(name)}", body)
    put_thing({field: made[field] for field in _COLUMNS if field in made} or made, output)


@app.command("list")
def list_secrets(limit: Limit = 20, output: AsOutput = Output.TABLE, url: Url = None) -> None:
    """Lists the names of the secrets, newest first.

    Example: codeai secrets list
    """
    put_items(connect(url).everything("/secrets", limit), _COLUMNS, output)


@app.command("delete")
def delete_secret(name: Name, url: Url = None) -> None:
    """Removes a secret.

    Example: codeai secrets delete npm
    """
    connect(url).change("DELETE", f"/secrets/{segment(name)}")
    print(f"deleted: {name}")


@app.command("seal")
def seal_secret(
    name: Name,
    key: Annotated[
        str,
        typer.Option("--key", envvar="CODEAI_SEAL_PUBLIC_KEY", help="The workers' public key."),
    ],
    no_mask: NoMask = False,
    output: AsOutput = Output.TABLE,
) -> None:
    """Seals a value here, without a platform: the form that `temporal workflow start` of a ChangeRecord takes.

    Example: printf %s "$TOKEN" | codeai secrets seal npm
    """
    from codeai.sealing import Unfit, seal

    try:
        sealed = seal(key, name, _value(), mask=not no_mask)
    except (Unfit, ValueError) as unfit:
        raise Stop(str(unfit), Exit.INVALID) from None
    if output is Output.JSON:
        put_json({"name": name, "sealed": sealed})
    else:
        print(sealed)


def _value() -> str:
    data = sys.stdin.buffer.read()
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Stop("a secret is text: standard input is not UTF-8", Exit.INVALID) from None
