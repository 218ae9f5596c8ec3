"""One platform for all end-to-end tests of a process; each test runs programs of its own on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.platform import Platform, platform


@pytest.fixture(scope="session")
def stack() -> Iterator[Platform]:
    """The whole platform, with a small budget for a workflow run so that long programs continue as new; requests of
    programs may go to `localhost`, under that name."""
    settings = {
        "CODEAI_WORKER_SOFT_EVENTS": "300",
        "CODEAI_WORKER_HARD_EVENTS": "900",
        "CODEAI_OUTBOUND_ALLOW": "localhost",
    }
    with platform(**settings) as running:
        yield running


@pytest.fixture(scope="session")
def token(stack: Platform) -> str:
    return stack.token
