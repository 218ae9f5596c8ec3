"""The fixtures that every test may ask for: running parts, not mocks."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.postgres"]

LONGEST_FIRST = ("workers", "stack", "e2e")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Folders whose tests wait longest begin first: at the end no process works through them alone."""
    tests = config.rootpath / "tests"

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(tests).parts[0]
        return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)

    items.sort(key=place)
