"""What a step asks of the runner and cannot have."""

from __future__ import annotations

import errno

FOR_WANT_OF_ROOM = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)
)
"""Errors that say nothing of a step: later there may be room for it."""


class SeedError(ValueError):
    """The workspace cannot be what was asked for: kind `value_error`, in words for the user."""
