"""The API under requests that are made up: none gets a 5xx, none an answer that the OpenAPI does not have."""

from __future__ import annotations

import random
import re
import subprocess

from tests.generated_requests import words
from tests.platform import Platform
from tests.soak.item import Item

SECONDS = 120
"""Of each half."""


def requests(stack: Platform, chance: random.Random) -> str:
    """Requests alone, then such that use what the answers before them named, each for two minutes."""
    figures = []
    for phases in (("examples", "coverage", "fuzzing"), ("stateful",)):
        asked = words(stack.url, f"Bearer {stack.token}", SECONDS, *phases, seed=chance.randrange(10**9))
        done = subprocess.run(
            asked, cwd=stack.folder, capture_output=True, text=True, timeout=4 * SECONDS, check=False
        )
        assert done.returncode == 0, done.stdout[-6000:]
        found = re.search(r"(\d+) generated", done.stdout)
        figures.append(f"{found[1] if found else '?'} {'in turn' if phases == ('stateful',) else 'alone'}")
    log = (stack.data / "logs" / "api.log").read_text()
    assert '"request failed"' not in log and "Traceback" not in log
    return f"requests made up: {', '.join(figures)}; none with a 5xx, each answered as documented"


ITEMS = {"requests": Item(requests, settings={"CODEAI_API_RATE": "off"})}
