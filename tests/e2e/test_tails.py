"""The live log, as who follows it sees it: whole and once, whatever is cut and dies meanwhile."""

from __future__ import annotations

import random
import threading

from tests.platform import Platform
from tests.soak.tails import TALKS, expected, followed, must_agree


def test_who_follows_misses_and_doubles_nothing_over_cuts_and_deaths(stack: Platform, token: str) -> None:
    """Many runs, kills and cuts: `make soak`, item tails."""
    id = stack.detach(TALKS, "-i", "steps=2", "-i", "lines=70")
    deaths = [threading.Timer(after, stack.kill, [child]) for after, child in ((1.5, "worker"), (2.5, "api"))]
    for death in deaths:
        death.start()
    clients, shown = followed(stack, id, token, random.Random(1), 2)
    for death in deaths:
        death.join()
    assert sum(client.cuts for client in clients) > 0
    must_agree(stack, id, token, clients, shown, expected(2, 70))
