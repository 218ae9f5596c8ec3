"""The fixtures that every test may ask for: running parts, not mocks."""

from __future__ import annotations

pytest_plugins = ["tests.postgres"]
