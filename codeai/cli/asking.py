"""Approvals of a run that is followed: asked on the terminal, or told with the command to type."""

from __future__ import annotations

import os
import queue
import select
import sys
import threading
from dataclasses import dataclass, field
from typing import Any

from codeai.cli.client import Api
from codeai.cli.exits import Stop
from codeai.cli.telling import send
from codeai.cli.terminal import local_time, painter, visible

LOOK_EVERY = 0.2
"""Seconds until a question notices that somebody else has decided."""
_WORDS = {"y": "approve", "yes": "approve", "n": "reject", "no": "reject"}


@dataclass(slots=True)
class Asker:
    """Asks one question after the other, in a thread of its own: the run is followed meanwhile."""

    url: str
    token: str
    run: str
    _known: set[int] = field(default_factory=set)
    _open: set[int] = field(default_factory=set)
    _at_prompt: int | None = None
    _questions: queue.SimpleQueue[int] = field(default_factory=queue.SimpleQueue)
    _thread: threading.Thread | None = None

    def opened(self, approval: dict[str, Any]) -> None:
        """An approval waits. A stream that was cut tells of it again; it is shown once."""
        step = approval["step"]
        if step in self._known:
            return
        self._known.add(step)
        _say(
            painter(sys.stderr)("yellow", f"? line {approval['line']}  {approval['text']}{_who(approval)}\n")
        )
        if not _on_terminal():
            _say(self._how(step))
            return
        self._open.add(step)
        self._questions.put(step)
        if self._thread is None:
            self._thread = threading.Thread(target=self._ask_all, daemon=True)
            self._thread.start()

    def settled(self, step: int) -> None:
        """It was decided, here or elsewhere, or its time is over."""
        self._open.discard(step)
        if self._at_prompt == step:
            _say("\n")

    def _ask_all(self) -> None:
        api = Api(self.url, self.token)
        while True:
            step = self._questions.get()
            try:
                if self._ask(api, step):
                    continue
            except Stop as stop:
                _say(f"codeai: {stop}\n")
            if step in self._open:
                _say(self._how(step))

    def _ask(self, api: Api, step: int) -> bool:
        """Asks until it is decided. False where nobody answers here."""
        word = None
        while word is None:
            answer = self._line(step, f"step {step}: approve? [y/n] ")
            if answer is None:
                return False
            word = _WORDS.get(answer.lower())
        comment = self._line(step, "comment (Enter for none): ")
        if comment is None:
            return False
        send(api, self.run, word, step=step, comment=comment or None)
        return True

    def _line(self, step: int, prompt: str) -> str | None:
        """A line from the terminal; None at its end, or where the question has been settled meanwhile."""
        if step not in self._open:
            return None
        _say(prompt)
        self._at_prompt = step
        try:
            while step in self._open:
                if select.select([sys.stdin], [], [], LOOK_EVERY)[0]:
                    data = os.read(sys.stdin.fileno(), 65536)
                    return data.decode(errors="replace").strip() if data else None
        finally:
            self._at_prompt = None
        return None

    def _how(self, step: int) -> str:
        words = f"{self.run} --step {step}"
        return f"  decide:  codeai approve {words}\n           codeai reject {words}\n"


def _who(approval: dict[str, Any]) -> str:
    """Who may decide, and until when."""
    role = f"by the role {approval['role']}" if approval["role"] else ""
    until = f"until {local_time(approval['deadline'])}" if approval["deadline"] else ""
    said = " ".join(part for part in (role, until) if part)
    return f"  ({said})" if said else ""


def _on_terminal() -> bool:
    """Whether somebody can be asked: in the background, reading from a terminal would stop us."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        return False


def _say(text: str) -> None:
    sys.stderr.write(visible(text))
    sys.stderr.flush()
