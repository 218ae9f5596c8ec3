"""Files that commands are given."""

from __future__ import annotations

import sys
from collections.abc import Iterable
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


def read_all(files: Iterable[Path]) -> tuple[list[tuple[Path, bytes]], Stop | None]:
    """The files that can be read, with their bytes, and what is to be raised in the end where others cannot."""
    read, unread = [], []
    for file in files:
        try:
            read.append((file, read_bytes(file)))
        except Stop as stop:
            unread.append(str(stop))
    return read, Stop("\n".join(unread), Exit.INVALID) if unread else None
