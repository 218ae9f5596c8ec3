"""Random programs, killed and moved at random, end as undisturbed ones do (`make torture` has the full size)."""

from __future__ import annotations

import random

from tests.platform import platform
from tests.torture.torture import Torture


def test_random_programs_end_alike_under_kills() -> None:
    """Goes if any effect is repeated or lost, or any history no longer replays, when a worker dies."""
    with platform("--no-worker") as stack:
        said = Torture(stack, random.randrange(10**6), programs=2).run()
    assert "all as undisturbed" in said
