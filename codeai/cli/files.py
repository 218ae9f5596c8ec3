"""Files that commands are given."""

from __future__ import annotations

import sys
from pathlib import Path

from codeai.cli.exits import Exit, Stop


def read_bytes(file: Path) -> bytes:
    """A file's bytes; `-` is standard input. Raises Stop."""
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except (OSError, ValueError) as error:
        raise Stop(
            f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}", Exit.INVALID
        ) from None
