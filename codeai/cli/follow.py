"""Follows a run: its output and its steps as they come, and how it ended."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TextIO

from codeai.cli.asking import Asker
from codeai.cli.client import Api, Event, ProblemAnswer, StreamCut
from codeai.cli.exits import Exit, Stop
from codeai.cli.terminal import for_stream, harmless, painter, visible

ENDED = ("complete", "failed", "cancelled", "compensated", "rejected")
GIVE_UP_AFTER = 60.0
"""Seconds without an answer of the API after which following ends (the run goes on)."""
TOO_MANY = 429
"""The status where this user has many streams open: one that was cut may still be counted."""
LAST_LINES = 20
_MARKS = {"succeeded": ("green", "✓"), "cancelled": ("yellow", "■"), "skipped": ("yellow", "»")}
_BROKEN = ("red", "✗")


@dataclass(slots=True)
class View:
    """Shows events: output on stdout (on stderr where stdout is for JSON), steps on stderr. `raw` leaves control
    characters as they are, but on a terminal; what is not newer than `since` is left out; `asker` is told of
    approvals. `heard` says whether anything came."""

    json: bool = False
    steps: bool = True
    raw: bool = False
    since: str | None = None
    asker: Asker | None = None
    heard: bool = field(default=False, init=False)
    _open: TextIO | None = field(default=None, init=False)
    _said: str | None = field(default=None, init=False)
    _said_parked: bool = field(default=False, init=False)
    _shown: dict[int, tuple[int, str]] = field(default_factory=dict, init=False)

    def show(self, event: Event) -> None:
        self.heard = True
        if event.name == "log" and self._is_new(event.data["time"]):
            self._show_output(event.data)
        elif event.name == "step" and self.steps and self._is_new(event.data["started_at"]):
            self._show_step(event.data)
        elif event.name == "approval" and self.asker is not None:
            self.end_line()
            self.asker.opened(event.data)
        elif event.name == "status" and self.steps:
            self._show_status(event.data)

    def _is_new(self, time: str) -> bool:
        return self.since is None or datetime.fromisoformat(time) > datetime.fromisoformat(self.since)

    def end_line(self) -> None:
        """Ends a line of output that is not complete, so that ours begins on its own."""
        if self._open is not None:
            print(file=self._open, flush=True)
            self._open = None

    def parked(self, api: Api, id: str) -> None:
        """Says what can be done with a run that has parked; once, until something is said to it."""
        self.end_line()
        if self.steps and not self._said_parked:
            put_parked(api, id)
        self._said_parked = True

    def _show_output(self, line: dict[str, Any]) -> None:
        self._said_parked = False
        to = sys.stdout if line["stream"] == "stdout" and not self.json else sys.stderr
        if self._open is not None and self._open is not to:
            self.end_line()
        text = for_stream(line["text"], to, raw=self.raw)
        to.write(text)
        to.flush()
        self._open = None if text.endswith("\n") or not text else to

    def _show_step(self, step: dict[str, Any]) -> None:
        now = (step["attempt"], step["status"])
        if self._shown.get(step["seq"]) == now:
            return  # A stream that was cut tells of all steps again.
        self._shown[step["seq"]] = now
        self.end_line()
        if step["kind"] == "approve" and self.asker is not None:
            if step["status"] == "running":
                return
            self.asker.settled(step["seq"])
        paint = painter(sys.stderr)
        what = visible(first_line(step["command"])) or step["kind"]
        again = f" (attempt {step['attempt']})" if step["attempt"] > 1 else ""
        if step["status"] == "running":
            text = paint("dim", f"→ line {step['line']}  {what}{again}")
        else:
            colour, mark = _MARKS.get(step["status"], _BROKEN)
            ended = "" if step["status"] == "succeeded" else f" {step['status']}"
            ended += f" (exit code {step['exit_code']})" if step["exit_code"] else ""
            text = f"{paint(colour, mark)} line {step['line']}  {what}{again}{ended}  {_duration(step)}"
        print(text.rstrip(), file=sys.stderr, flush=True)

    def _show_status(self, told: dict[str, Any]) -> None:
        text = told["status_text"] or (
            told["status"] if told["status"] not in ("queued", "running") else None
        )
        if text and text != self._said:
            self.end_line()
            print(painter(sys.stderr)("bold", f"· {visible(text)}"), file=sys.stderr, flush=True)
        self._said = text


class Lines(View):
    """The pieces of output, each as a line of JSON."""

    def show(self, event: Event) -> None:
        self.heard = True
        if event.name == "log":
            print(harmless(json.dumps(event.data, ensure_ascii=False)), flush=True)


def follow(api: Api, id: str, view: View, *, leave_parked: bool = False) -> str:
    """Shows the run until it has ended, and answers its status. Goes on behind what was shown where the stream is
    cut. Raises Stop where the API stays away."""
    last: str | None = None
    heard = time.monotonic()
    while True:
        refused = None
        try:
            for event in api.events(f"/executions/{id}/logs?follow=true&steps=true", last):
                heard = time.monotonic()
                last = event.id or last
                view.show(event)
                if event.name == "end":
                    view.end_line()
                    return str(event.data["status"])
                if event.name == "status" and event.data["status"] == "parked":
                    view.parked(api, id)
                    if leave_parked:
                        return "parked"
            heard = time.monotonic()
        except ProblemAnswer as problem:
            if problem.status < 500 and problem.status != TOO_MANY:
                raise
            refused = problem
        except StreamCut:
            pass
        if time.monotonic() - heard > GIVE_UP_AFTER:
            view.end_line()
            if refused is not None:
                raise refused
            raise Stop(f"the API is away; the run goes on. Follow it later with: codeai logs -f {id}")
        time.sleep(0.3)


def result_of(api: Api, id: str) -> dict[str, Any]:
    """`{execution_id, status, result, error, undo_failed}` of a run."""
    found = api.get(f"/executions/{id}/result")
    return {name: found[name] for name in ("execution_id", "status", "result", "error", "undo_failed")}


def exit_code(status: str) -> Exit:
    """The exit code for how a run is."""
    return {"complete": Exit.OK, "parked": Exit.PARKED}.get(status, Exit.FAILED)


def put_ending(api: Api, result: dict[str, Any], source: str | None, again: str) -> None:
    """How a run ended, for people, on stderr: a failed one with its line, its last errors and what can be done."""
    paint = painter(sys.stderr)
    id, status, error = result["execution_id"], result["status"], result["error"] or {}
    if status == "complete":
        print(paint("green", f"complete: {id}"), file=sys.stderr)
    if status in ("complete", "parked"):
        return
    line = error.get("line")
    place = f" at line {line}" if line else ""
    print(paint("red", f"{status}{place}: {visible(str(error.get('message') or ''))}"), file=sys.stderr)
    text = _source_line(source, line)
    if text:
        print(f"  {line} | {visible(text)}", file=sys.stderr)
    steps = api.everything(f"/executions/{id}/steps", limit=1000)
    for one in _last_errors(steps, error):
        print(paint("dim", "  | ") + visible(one), file=sys.stderr)
    put_undo_failed(result)
    print(f"what next:  codeai logs {id}\n            codeai executions steps {id}", file=sys.stderr)
    undone = any(step["kind"] == "undo" for step in steps)
    if status == "failed" and not undone and error.get("kind") != "terminated":
        print(f"            codeai retry {id}", file=sys.stderr)
        print(f"            codeai patch {id} FILE", file=sys.stderr)
    if not again.startswith(("codeai retry", "codeai patch")):
        print(f"            {again}", file=sys.stderr)


def put_parked(api: Api, id: str) -> None:
    """Where a run is parked and what can be done next, on stderr."""
    paint = painter(sys.stderr)
    try:
        fibres = api.get(f"/executions/{id}/state").get("fibres", [])
    except Stop:  # who may not look into runs may still say what to do
        fibres = []
    parked = [one for one in fibres if one["waits"] == "parked"]
    for one in parked:
        which = f" (fibre {one['fibre']})" if len(parked) > 1 or one["fibre"] > 1 else ""
        source = f"  {one['line']} | {visible(one['source'])}" if one.get("source") else ""
        said = f"parked at line {one['line']}{which}: {visible(str(one['error']['message']))}"
        print(paint("yellow", said) + (f"\n{source}" if source else ""), file=sys.stderr)
    words = f"{id} --fibre {parked[0]['fibre']}" if len(parked) > 1 else id
    name = next((name for one in parked for name in one["variables"]), "NAME")
    print(f"what next:  codeai retry {words}", file=sys.stderr)
    print(f"            codeai set {id} {name}=TEXT", file=sys.stderr)
    print(f"            codeai patch {id} FILE", file=sys.stderr)
    for word in ("skip", "rollback", "abort"):
        print(f"            codeai {word} {words if word == 'skip' else id}", file=sys.stderr)


def put_undo_failed(result: dict[str, Any]) -> None:
    """What could not be undone, on stderr."""
    paint = painter(sys.stderr)
    for failed in result["undo_failed"]:
        print(paint("red", f"  undo failed: {visible(str(failed.get('message', failed)))}"), file=sys.stderr)


def first_line(text: str) -> str:
    """The first line with something on it, shortened."""
    line = next((one.strip() for one in text.splitlines() if one.strip()), "")
    return line if len(line) <= 100 else line[:99] + "…"


def _last_errors(steps: list[dict[str, Any]], error: dict[str, Any]) -> list[str]:
    text = error.get("stderr")
    if text is None and error.get("line"):
        broken = ("failed", "timeout", "lost")
        failed = [one for one in steps if one["status"] in broken and one["line"] == error["line"]]
        text = failed[-1]["stderr"] if failed else None
    return (text or "").splitlines()[-LAST_LINES:]


def _source_line(source: str | None, line: int | None) -> str:
    lines = source.split("\n") if source is not None else []
    return lines[line - 1].strip() if line and line <= len(lines) else ""


def _duration(step: dict[str, Any]) -> str:
    if not step["completed_at"]:
        return ""
    began, ended = (datetime.fromisoformat(step[name]) for name in ("started_at", "completed_at"))
    return f"{(ended - began).total_seconds():.1f} s"
