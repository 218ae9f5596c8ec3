"""What the commands on resources share: printing a list, and taking one thing away."""

from __future__ import annotations

from collections.abc import Sequence

from codeai.cli.client import connect, segment
from codeai.cli.terminal import Output, put_items, put_line


def put_list(
    path: str,
    columns: Sequence[str],
    limit: int,
    output: Output,
    url: str | None,
    **query: str | None,
) -> None:
    """Prints the first items of a list of the API. Raises Stop."""
    put_items(connect(url).everything(path, limit, **query), columns, output)


def delete(resource: str, name: str, output: Output, url: str | None) -> None:
    """Has one thing deleted, and says so. Raises Stop."""
    connect(url).change("DELETE", f"/{resource}/{segment(name)}")
    put_line(f"deleted: {name}", {"deleted": name}, output)
