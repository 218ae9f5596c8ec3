"""What a step asks of the runner and cannot have."""

from __future__ import annotations


class SeedError(ValueError):
    """The workspace cannot be what was asked for: kind `value_error`, in words for the user."""
