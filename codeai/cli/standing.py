"""Where a run stands, as lines for people: fibres with their variables, what they wait for, the undo stack."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from codeai.cli.follow import ENDED
from codeai.cli.terminal import painter, plain, visible

LONGEST_VALUE = 200
LONGEST_LINE = 100
_GOES_ON = ("retry", "set", "patch", "skip", "rollback", "abort")


def put_standing(found: dict[str, Any]) -> None:
    """Prints what `GET /executions/{id}/state` answers."""
    for line in _lines(found):
        print(visible(line))


def short(value: Any, longest: int = LONGEST_VALUE) -> str:
    """A value as JSON, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _lines(found: dict[str, Any]) -> Iterator[str]:
    paint = painter(sys.stdout)
    fibres = found.get("fibres", [])
    if found.get("status") == "queued":
        place = found.get("position")
        yield (
            f"number {place} in lane {found['lane']}"
            if place
            else "no host has taken it; which there are: codeai status"
        )
    for fibre in fibres:
        name = f"fibre {fibre['fibre']}, " if len(fibres) > 1 else ""
        yield paint("bold", f"{name}line {fibre['line']}") + f"  {_source(fibre)}"
        for frame in [fibre, *reversed(fibre["calls"])]:
            if frame is not fibre:
                yield f"  called at line {frame['line']}  {paint('dim', _source(frame))}"
            width = max(map(len, frame["variables"]), default=0)
            for variable, value in frame["variables"].items():
                yield f"    {variable.ljust(width)} = {short(value)}"
        if error := fibre.get("error"):
            yield "  " + paint("red", f"parked: {error['message']}")
    if (until := found.get("parked_until")) is not None:
        which = ", with --fibre" if sum("error" in fibre for fibre in fibres) > 1 else ""
        yield f"goes on by codeai {', '.join(_GOES_ON)}{which}; else it is rolled back at {_moment(until)}"
    ended = found.get("status") in ENDED
    approvals = {approval["step"]: approval for approval in found.get("approvals", [])}
    for asked in found.get("pending", []):
        waits = "waited" if ended else "waits"
        yield f"{waits} for step {asked['step']}, line {asked['line']}: {_asked(asked, approvals)}"
    undo = found.get("undo", [])
    if undo:
        when = "can be undone by codeai compensate" if ended else "if it fails, these are undone"
        when = "still to be undone" if found.get("status") == "undoing" else when
        yield f"{when}, the first one first:"
    for entry in reversed(undo):
        line = f", line {entry['line']}" if entry.get("line") else ""
        yield f"  step {entry['step']}{line}  {_one_line(entry.get('command') or '')}".rstrip()


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S}"


def _source(place: dict[str, Any]) -> str:
    return _one_line(place.get("source", ""))


def _one_line(text: str) -> str:
    first = (text.strip().splitlines() or [""])[0]
    return first if len(first) <= LONGEST_LINE else first[: LONGEST_LINE - 1] + "…"


def _asked(asked: dict[str, Any], approvals: dict[int, dict[str, Any]]) -> str:
    """What an effect is waited for."""
    given = asked["arguments"]
    if asked["effect"] == "exec":
        command = f"exec  {_one_line(asked.get('text', ''))}"
        if asked.get("placed", True):
            return command
        label = f"the label {given['queue']}" if given.get("queue") else "no label"
        return f"{command}  (no host with {label} has taken it; which there are: codeai status)"
    if asked["effect"] != "approve":
        which = f"{asked['effect']} {asked['execution']}" if "execution" in asked else asked["effect"]
        return f"{which}  " + ", ".join(f"{name}: {short(value, 60)}" for name, value in given.items())
    who = f"the role {given['role']}" if given.get("role") else "somebody"
    deadline = approvals.get(asked["step"], {}).get("deadline")
    until = f" until {_moment(deadline)}" if deadline else ""
    return f"approve  {plain(given['text'])}  (by {who}{until})"
