"""The entries of a trace as lines for people: number, line, source, and what happened with which values."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from codeai.cli.standing import short
from codeai.cli.terminal import painter, plain, visible

LONGEST_SOURCE = 44
LONGEST = 60
_COLOURS = {"error": "red"} | dict.fromkeys(
    ("caught", "retry", "skip", "set", "give_up", "patch", "cancel", "cancelled"), "yellow"
)


def put_entries(items: Sequence[dict[str, Any]], *, before: bool) -> None:
    """Prints them in the order they are given; `before`: with the values that variables had before."""
    if not items:
        return
    paint = painter(sys.stdout)
    several = any(item["fibre"] != items[0]["fibre"] for item in items)
    numbers = max(len(str(item["index"])) for item in items)
    lines = max(len(str(item["line"])) for item in items)
    sources = [_source(item) for item in items]
    width = max(map(len, sources))
    for item, source in zip(items, sources, strict=True):
        fibre = f"fibre {item['fibre']:<3} " if several else ""
        place = f"{item['index']:>{numbers}}  {fibre}{item['line']:>{lines}}"
        said = visible(_said(item, before=before)).replace("\n", "\\n")
        colour = "red" if item["kind"] == "undo" and "error" in item else _COLOURS.get(item["kind"])
        if colour is not None:
            said = paint(colour, said)
        print(f"{paint('dim', place)}  {source.ljust(width)}  {said}".rstrip())


def _source(item: dict[str, Any]) -> str:
    text = visible(item["source"].expandtabs(4).rstrip())
    return text if len(text) <= LONGEST_SOURCE else text[: LONGEST_SOURCE - 1] + "…"


def _said(item: dict[str, Any], *, before: bool) -> str:
    """What happened, in a few words."""
    changed = ", ".join(_change(one, before=before) for one in item["changed"])
    say = _SAYS.get(item["kind"])
    return changed if say is None else say(item, changed)


def _change(one: dict[str, Any], *, before: bool) -> str:
    was = f" (before: {short(one['before'], LONGEST)})" if before and "before" in one else ""
    return f"{one['name']} = {short(one['after'], LONGEST)}{was}"


def _branch(item: dict[str, Any], _: str) -> str:
    return "" if "taken" not in item else "true" if item["taken"] else "false"


def _loop(item: dict[str, Any], changed: str) -> str:
    return changed if item["taken"] else "the loop ends"


def _call(item: dict[str, Any], changed: str) -> str:
    return f"{item['name']}({changed})"


def _return(item: dict[str, Any], changed: str) -> str:
    return f"returns {changed or short(item.get('value'), LONGEST)}"


def _ask(item: dict[str, Any], _: str) -> str:
    return f"→ step {item['step']} {item['name']}{_given(item)}"


def _given(item: dict[str, Any]) -> str:
    """A command's text, and what it or another effect was given."""
    given = {**item.get("arguments", {}), **item.get("variables", {})}
    values = ", ".join(f"{name}: {short(value, LONGEST)}" for name, value in given.items())
    text = f"  {plain(item['text'])}" if item.get("text") else ""
    return text + (f"  ({values})" if values else "")


def _answer(item: dict[str, Any], changed: str) -> str:
    if "error" in item:
        return f"← step {item['step']} {_failure(item)}"
    exit_code = f"exit code {item['exit_code']}" if "exit_code" in item else ""
    value = changed or (short(item["value"], LONGEST) if item.get("value") not in (None, "") else "")
    return "  ".join(part for part in (f"← step {item['step']}", exit_code, value) if part)


def _undo(item: dict[str, Any], _: str) -> str:
    """What was undone, with what, and how that ended."""
    ended = "is running"
    if "error" in item:
        ended = _failure(item)
    elif "value" in item:
        ended = f"exit code {item['exit_code']}" if "exit_code" in item else "done"
    return f"↩ step {item['undoes']}{_given(item)}  {ended}"


def _join(item: dict[str, Any], changed: str) -> str:
    return _failure(item) if "error" in item else changed or "all fibres have ended"


def _caught(item: dict[str, Any], _: str) -> str:
    name = f" as {item['changed'][0]['name']}" if item["changed"] else ""
    return f"{_failure(item)}  (caught{name})"


def _failure(item: dict[str, Any]) -> str:
    return f"{item['error']['kind']}: {plain(item['error']['message'])}"


_SAYS: dict[str, Callable[[dict[str, Any], str], str]] = {
    "branch": _branch,
    "loop": _loop,
    "call": _call,
    "return": _return,
    "ask": _ask,
    "answer": _answer,
    "parallel": lambda item, _: f"for each of {short(item['arguments']['items'], LONGEST)}",
    "begin": lambda item, changed: f"fibre {item['fibre']}: {changed}",
    "join": _join,
    "caught": _caught,
    "error": lambda item, _: _failure(item),
    "retry": lambda *_: "retried by a person",
    "skip": lambda item, _: f"skipped by a person, with {short(item['value'], LONGEST)}",
    "set": lambda _, changed: f"set by a person: {changed}",
    "give_up": lambda *_: "the parked run is ended",
    "patch": lambda *_: "the run goes on with another program",
    "cancel": lambda *_: "the run is cancelled",
    "cancelled": lambda item, _: f"fibre {item['fibre']} is ended",
    "undo": _undo,
}
"""How each kind of entry is said; the others by what they changed."""
