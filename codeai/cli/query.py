"""`codeai query`: rows, sums and updates, in the query language."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from codeai.cli.client import Api, connect
from codeai.cli.commands import new
from codeai.cli.exits import Exit, Stop
from codeai.cli.options import AsOutput, Url
from codeai.cli.terminal import Output, cell, put_json, put_table

app = new("Answers a query: SELECT, COUNT, SUM, AVG, MIN, MAX or UPDATE.")


@app.command()
def query(
    text: Annotated[str, typer.Argument(metavar="QUERY", help="The query; docs/query.md has the language.")],
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param", metavar="NAME=TEXT", help="The value of @NAME; NAME:=JSON for another than text."
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many rows at most.")] = 100,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Answers a query: SELECT, COUNT, SUM, AVG, MIN, MAX or UPDATE.

    Example: codeai query "SELECT id, status FROM executions WHERE started_at > @since" --param since=2026-01-31
    """
    answer = _answered(connect(url), {"query": text, "params": _values(param)}, limit)
    if output is Output.JSON:
        put_json(answer)
        return
    put_table(
        [[cell(value) for value in row] for row in answer["rows"]],
        [column["name"] for column in answer["columns"]],
    )
    if answer["next_cursor"] is not None:
        print("there are more rows; --limit shows more of them", file=sys.stderr)


def _answered(api: Api, asked: dict[str, Any], limit: int) -> dict[str, Any]:
    """The answer with the rows of as many pages as have `limit` rows; an accepted UPDATE is waited for."""
    answer = api.query(asked)
    while answer["next_cursor"] is not None and len(answer["rows"]) < limit:
        more = api.query({**asked, "cursor": answer["next_cursor"]})
        answer = {**more, "rows": answer["rows"] + more["rows"]}
    return answer


def _values(given: list[str] | None) -> dict[str, Any]:
    """The values of parameters by name."""
    values: dict[str, Any] = {}
    for one in given or ():
        name, equals, text = one.partition("=")
        if not equals or not name.rstrip(":"):
            raise Stop(f"--param {one!r} is neither NAME=TEXT nor NAME:=JSON", Exit.INVALID)
        try:
            values[name.removesuffix(":").removeprefix("@")] = (
                json.loads(text) if name.endswith(":") else text
            )
        except ValueError as error:
            raise Stop(f"--param {name}= is no JSON: {error}", Exit.INVALID) from None
    return values
