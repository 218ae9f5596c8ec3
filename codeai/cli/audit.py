"""`codeai audit`: who did what, and whether the log of it is whole."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from codeai.cli.client import connect
from codeai.cli.commands import new
from codeai.cli.exits import Exit, Stop
from codeai.cli.files import read_bytes
from codeai.cli.options import AsOutput, Filter, Limit, Url
from codeai.cli.resources import put_list
from codeai.cli.terminal import Output, harmless, put_json

app = new("Who did what, and whether the log of it is whole.", no_args_is_help=True)

Actor = Annotated[str | None, typer.Option("--actor", help="Only what this person did.")]
Action = Annotated[str | None, typer.Option("--action", help="Only this: create, update, delete, open ...")]
Entity = Annotated[
    str | None, typer.Option("--entity", help="Only this thing, `config/<id>`, or a kind: `config`.")
]
Since = Annotated[str | None, typer.Option("--since", help="Only from this time on: 2026-11-28T12:00.")]
Until = Annotated[str | None, typer.Option("--until", help="Only before this time.")]
_COLUMNS = ("at", "actor", "via", "action", "entity", "details")


@app.command("list")
def list_audit(
    actor: Actor = None,
    action: Action = None,
    entity: Entity = None,
    since: Since = None,
    until: Until = None,
    filter: Filter = None,
    limit: Limit = 20,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Lists who did what, newest first.

    Example: codeai audit list --entity role --since 2026-11-01
    """
    sought = _sought(actor, action, entity, since, until)
    put_list("/audit", _COLUMNS, limit, output, url, filter=filter, **sought)


@app.command("export")
def export_audit(
    actor: Actor = None,
    action: Action = None,
    entity: Entity = None,
    since: Since = None,
    until: Until = None,
    filter: Filter = None,
    url: Url = None,
) -> None:
    """Prints every entry that fits as JSON lines, oldest first.

    Example: codeai audit export > audit.jsonl
    """
    sought = _sought(actor, action, entity, since, until)
    for line in connect(url).lines("/audit", "application/jsonl", filter=filter, **sought):
        print(harmless(line))


@app.command("verify")
def verify_audit(
    file: Annotated[
        Path | None, typer.Option("--file", help="An export of the whole log; default: the log itself.")
    ] = None,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Says whether every entry is there and as it was written. Its last hash, noted elsewhere, shows a cut end, too.

    Example: codeai audit verify --file audit.jsonl
    """
    from codeai.persistence.chain import Chain

    lines: Iterable[str] = (
        connect(url).lines("/audit", "application/jsonl")
        if file is None
        # Lines of JSON end by LF alone: texts in them may have what else Unicode ends lines with.
        else io.StringIO(read_bytes(file).decode("utf-8", "replace"), newline="\n")
    )
    chain = Chain()
    for line in lines:
        if not _holds(chain, line):
            where = f"entry {chain.entries + 1}"
            raise Stop(f"the audit log is broken at {where}: it was changed, or one before it is gone")
    if output is Output.JSON:
        put_json({"entries": chain.entries, "last_hash": chain.last})
    else:
        print(f"whole: {chain.entries} entries, the last with hash {chain.last}")


def _holds(chain: Any, line: str) -> bool:
    try:
        return bool(chain.takes(json.loads(line)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False  # no entry at all


def _sought(
    actor: str | None, action: str | None, entity: str | None, since: str | None, until: str | None
) -> dict[str, str | None]:
    return {
        "actor": actor,
        "action": action,
        "entity": entity,
        "since": _time("--since", since),
        "until": _time("--until", until),
    }


def _time(option: str, text: str | None) -> str | None:
    """A time; without a zone it is this machine's."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError):
        raise Stop(f"{option} {text!r} is no time such as 2026-11-28T12:00", Exit.INVALID) from None
