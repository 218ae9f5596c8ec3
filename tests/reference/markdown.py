"""Pieces of Markdown: tables, code, and values as a page shows them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta

from codeai.dsl.editor_words import duration as shown_duration

LONGEST = 160
"""Characters of an example's line that a page shows; a longer one is cut in its middle."""


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; a column that is empty in every row is left out."""
    titles, lines = list(heads), [list(row) for row in rows]
    used = [at for at in range(len(titles)) if any(line[at] for line in lines)]
    shown = [titles, ["---"] * len(titles), *lines]
    return "".join("| " + " | ".join(_cell(line[at]) for at in used) + " |\n" for line in shown)


def _cell(text: str) -> str:
    """What stands in a cell: `|` would end it, and `<` outside code would begin HTML."""
    parts = text.replace("|", "\\|").replace("\n", " ").split("`")
    return "`".join(part if at % 2 else part.replace("<", "&lt;") for at, part in enumerate(parts))


def code(text: str) -> str:
    """Text in the line that is meant to the letter; empty stays empty."""
    return f"`{text}`" if text else ""


def block(language: str, text: str) -> str:
    """Lines that are meant to the letter; what no page can hold is shown by its number."""
    return (
        f"```{language}\n" + "".join(_line(line) + "\n" for line in text.rstrip("\n").split("\n")) + "```\n"
    )


def _line(line: str) -> str:
    if len(line) > LONGEST:
        line = f"{line[: LONGEST // 2]} … ({len(line):,} characters)"
    return "".join(char if char.isprintable() else f"<U+{ord(char):04X}>" for char in line)


def literal(value: object) -> str:
    """A value as a program writes it."""
    return json.dumps(value, ensure_ascii=False)


def duration(span: timedelta | float) -> str:
    """Seconds in the largest unit that shows them exactly: `10m`, `90s`, `200ms`."""
    return shown_duration(span.total_seconds() if isinstance(span, timedelta) else span)


def size(count: int) -> str:
    """Bytes: `64 KiB` where that is exact."""
    for unit, one in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count and count % one == 0:
            return f"{count // one} {unit}"
    return f"{count:,} bytes"
