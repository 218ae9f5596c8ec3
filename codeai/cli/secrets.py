"""`codeai secrets`: stored sealed, used by programs, never shown."""

from __future__ import annotations

import getpass
import os
import sys
from typing import Annotated

import typer

from codeai.cli.client import Api, ProblemAnswer, connect, segment
from codeai.cli.commands import new
from codeai.cli.exits import Exit, Stop
from codeai.cli.options import AsOutput, Filter, Limit, Url
from codeai.cli.resources import delete, put_list
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
def list_secrets(
    filter: Filter = None, limit: Limit = 20, output: AsOutput = Output.TABLE, url: Url = None
) -> None:
    """Lists the names of the secrets, newest first.

    Example: codeai secrets list
    """
    put_list("/secrets", _COLUMNS, limit, output, url, filter=filter)


@app.command("delete")
def delete_secret(name: Name, output: AsOutput = Output.TABLE, url: Url = None) -> None:
    """Removes a secret.

    Example: codeai secrets delete npm
    """
    delete("secrets", name, output, url)


@app.command("rotate")
def rotate_secrets(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="Which; default: all.")] = None,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Seals secrets anew, for the workers' key in force. Their values stay; no key but that one is needed afterwards.

    Example: codeai secrets rotate
    """
    api = connect(url)
    sealed, failed = [], []
    for name in names or [secret["name"] for secret in api.everything("/secrets")]:
        try:
            sealed.append(api.change("POST", f"/secrets/{segment(name)}/rotate"))
        except ProblemAnswer as problem:
            failed.append(f"{name}: {problem}")
    put_items(sealed, _COLUMNS, output)
    if failed:
        raise Stop("\n".join(failed))


@app.command("key")
def new_key(output: AsOutput = Output.TABLE) -> None:
    """Makes a pair of keys: the private one for workers (the first line of their file), the public one for the API.

    Example: codeai secrets key
    """
    from codeai.sealing import key_id, new_private, public_of, read_key

    private = new_private()
    public = public_of(private)
    put_thing({"key_id": key_id(read_key(public)), "private": private, "public": public}, output)


@app.command("seal")
def seal_secret(
    name: Name,
    key: Annotated[
        str | None,
        typer.Option("--key", help="The workers' public key; default: CODEAI_SEAL_PUBLIC_KEY, or the API's."),
    ] = None,
    no_mask: NoMask = False,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Seals a value here. As JSON it is the whole input of a ChangeRecord, for `temporal workflow start`.

    Example: printf %s "$TOKEN" | codeai secrets seal npm --output json
    """
    from codeai.sealing import Unfit, seal

    key = key or os.environ.get("CODEAI_SEAL_PUBLIC_KEY") or _key_of(connect(url))
    try:
        sealed = seal(key, name, _value(), mask=not no_mask)
    except Unfit as problem:
        raise Stop(str(problem), Exit.INVALID) from None
    except ValueError as problem:
        raise Stop(f"the key to seal with {problem}", Exit.INVALID) from None
    if output is Output.JSON:
        body = {"sealed": sealed, "mask": not no_mask}
        put_json({"kind": "secret", "action": "update", "id": name, "body": body})
    else:
        print(sealed)


def _key_of(api: Api) -> str:
    key: str | None = api.get("/secrets", limit=1)["seal_key"]
    if key is None:
        raise Stop("the API has no key to seal with: it needs CODEAI_SEAL_PUBLIC_KEY")
    return key


def _value() -> str:
    """What standard input has, less one line end; on a terminal it is asked for, and not shown."""
    if sys.stdin.isatty():
        return getpass.getpass("value: ")
    data = sys.stdin.buffer.read()
    data = data.removesuffix(b"\r\n" if data.endswith(b"\r\n") else b"\n")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Stop("a secret is text: standard input is not UTF-8", Exit.INVALID) from None
