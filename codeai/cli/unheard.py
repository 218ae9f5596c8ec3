"""A run of which nothing is heard: whoever follows it is told what is missing, and not left before an empty screen."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from codeai.cli.client import Api
from codeai.cli.exits import Stop
from codeai.cli.follow import View
from codeai.cli.terminal import painter, visible

PATIENCE = 5.0
"""Seconds of silence after a start."""


@contextmanager
def told_if_unheard(api: Api, view: View) -> Iterator[None]:
    """Says once which part of the platform is not there, where the run has shown nothing for a while."""
    waiting = threading.Timer(PATIENCE, _say, (Api(api.url, api.token), view))
    waiting.daemon = True
    waiting.start()
    try:
        yield
    finally:
        waiting.cancel()


def _say(api: Api, view: View) -> None:
    if view.heard:
        return
    with suppress(Stop, OSError):  # who follows hears of the API's own troubles
        parts = api.get("/health").get("parts") or {}
        for name, state in parts.items():
            if state != "ok" and not name.startswith("host "):
                line = painter(sys.stderr)("bold", f"· the run waits; {visible(f'{name}: {state}')}")
                print(line, file=sys.stderr, flush=True)
