"""`codeai configs`: named programs and their versions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from codeai.cli.client import connect, segment
from codeai.cli.commands import new
from codeai.cli.exits import Exit, Stop
from codeai.cli.files import read_bytes
from codeai.cli.options import AsOutput, Filter, Limit, Url
from codeai.cli.resources import delete, put_list
from codeai.cli.terminal import Output, put_json, put_thing, visible

app = new("Named programs and their versions.", no_args_is_help=True)

Config = Annotated[str, typer.Argument(metavar="CONFIG", help="Name or id.")]
Program = Annotated[Path, typer.Argument(metavar="FILE", help="The program; - is standard input.")]
_COLUMNS = ("name", "version", "id", "updated_at")


@app.command("list")
def list_configs(
    filter: Filter = None, limit: Limit = 20, output: AsOutput = Output.TABLE, url: Url = None
) -> None:
    """Lists configs, newest first.

    Example: codeai configs list --output json
    """
    put_list("/configs", _COLUMNS, limit, output, url, filter=filter)


@app.command("show")
def show_config(
    config: Config,
    version: Annotated[int | None, typer.Option("--version", min=1, help="Default: the newest.")] = None,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Shows the program of a config.

    Example: codeai configs show release --version 2
    """
    path = f"/configs/{segment(config)}" + (f"/versions/{version}" if version else "")
    found = connect(url).get(path)
    if output is Output.JSON:
        put_json(found)
    else:
        print(visible(found["content"]), end="" if found["content"].endswith("\n") else "\n")


@app.command("create")
def create_config(name: Config, file: Program, output: AsOutput = Output.TABLE, url: Url = None) -> None:
    """Saves a program under a name.

    Example: codeai configs create release release.cai
    """
    made = connect(url).change("POST", "/configs", {"name": name, "content": _text(file)})
    _put(made, output)


@app.command("update")
def update_config(
    config: Config,
    file: Program,
    rename: Annotated[str | None, typer.Option("--name", help="A new name.")] = None,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Saves the next version of a config.

    Example: codeai configs update release release.cai
    """
    api = connect(url)
    known = api.get(f"/configs/{segment(config)}")
    body = {"name": rename or known["name"], "content": _text(file), "workspace": known["workspace"]}
    _put(api.change("PUT", f"/configs/{known['id']}", body), output)


@app.command("delete")
def delete_config(config: Config, output: AsOutput = Output.TABLE, url: Url = None) -> None:
    """Removes a config and its versions.

    Example: codeai configs delete release
    """
    delete("configs", config, output, url)


@app.command("versions")
def list_versions(
    config: Config, filter: Filter = None, limit: Limit = 20, output: AsOutput = Output.TABLE, url: Url = None
) -> None:
    """Lists the versions of a config, newest first.

    Example: codeai configs versions release
    """
    columns = ("version", "content_hash", "updated_at")
    put_list(f"/configs/{segment(config)}/versions", columns, limit, output, url, filter=filter)


def _text(file: Path) -> str:
    try:
        return read_bytes(file).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Stop(f"{file}: is not UTF-8 at byte {error.start}; save it as UTF-8", Exit.INVALID) from None


def _put(made: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        put_json(made)
        return
    put_thing({name: made.get(name) for name in ("name", "version", "id")}, output)
    for one in made.get("validation_errors") or ():
        print(visible(f"draft: line {one['line']}:{one['column']}: {one['message']}"))
