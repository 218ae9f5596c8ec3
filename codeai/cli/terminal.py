"""What commands print: nothing that a step wrote is obeyed by the terminal, tables, times, JSON."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, TextIO

_COLOUR = r"\x1b\[[0-9;:]*m"
_BEYOND_ASCII = (
    r"\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # controls, and what turns text around
)
_HARMLESS_OR_CONTROL = re.compile(rf"({_COLOUR}|[\t\n])|[\x00-\x1f{_BEYOND_ASCII}]")
_HIDDEN = re.compile(rf"[{_BEYOND_ASCII}]")
_PLAIN_AGAIN = ("\x1b[0m", "\x1b[m")
_LONGEST_CELL = 60
_LONGEST_FIELD = 2000


class Output(StrEnum):
    """What `--output` takes."""

    TABLE = "table"
    JSON = "json"


def visible(text: str) -> str:
    """Control characters as `\\xNN`; colours, tabs and newlines as they are. Colours end with the text: what comes
    behind it is not hidden by them."""

    def shown(match: re.Match[str]) -> str:
        if match[1]:
            return match[1]
        code = ord(match[0])
        return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"

    line = _HARMLESS_OR_CONTROL.sub(shown, text.replace("\r\n", "\n"))
    painted = re.findall(_COLOUR, line)
    if not painted or painted[-1] in _PLAIN_AGAIN:
        return line
    end = "\n" if line.endswith("\n") else ""
    return f"{line.removesuffix(end)}{_PLAIN_AGAIN[0]}{end}"


def for_stream(text: str, to: TextIO, *, raw: bool) -> str:
    """What a step printed, for this stream: `raw` as it is, unless a terminal would obey it."""
    return text if raw and not to.isatty() else visible(text)


def plain(text: str, longest: int = _LONGEST_CELL) -> str:
    """One line of text for a table's cell."""
    line = " ".join(re.sub(_COLOUR, "", text).split())
    return visible(line if len(line) <= longest else line[: longest - 1] + "…")


def put_json(value: Any) -> None:
    """One JSON document on stdout, in which every control character is escaped."""
    print(harmless(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None)))


def harmless(text: str) -> str:
    """The same JSON, in which no terminal finds anything to obey."""
    return _HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def put_line(line: str, same: Mapping[str, Any], output: Output) -> None:
    """One sentence for people, or the same as JSON."""
    if output is Output.JSON:
        put_json(same)
    else:
        print(visible(line))


def put_items(items: Sequence[Mapping[str, Any]], columns: Sequence[str], output: Output) -> None:
    """A list: `{items}` as JSON, or a table of these columns."""
    if output is Output.JSON:
        put_json({"items": list(items)})
        return
    put_table([[cell(item.get(column)) for column in columns] for item in items], columns)


def put_thing(thing: Mapping[str, Any], output: Output) -> None:
    """One thing: as JSON, or a line for each field."""
    if output is Output.JSON:
        put_json(thing)
        return
    width = max((len(name) for name in thing), default=0)
    for name, value in thing.items():
        text = cell(value, _LONGEST_FIELD)
        print(f"{name.ljust(width)}  {text}".rstrip())


def put_table(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> None:
    """Columns as wide as their widest cell."""
    lines = [[column.upper().replace("_", " ") for column in columns], *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def cell(value: Any, longest: int = _LONGEST_CELL) -> str:
    """A value as one line, cut where it is long."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return local_time(value) or plain(value, longest)
    return plain(json.dumps(value, ensure_ascii=False), longest)


def local_time(text: str) -> str | None:
    """A time of the API's as this machine's clock shows it; None where it is no time."""
    if not re.match(r"\d{4}-\d\d-\d\dT\d\d:", text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return None


def painter(stream: TextIO) -> Callable[[str, str], str]:
    """Paints text (`dim`, `red`, `green`, `yellow`, `bold`) where the stream is a terminal that wants colours."""
    codes = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
    wanted = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return lambda colour, text: f"\x1b[{codes[colour]}m{text}\x1b[0m" if wanted else text
