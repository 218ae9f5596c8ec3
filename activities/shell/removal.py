"""Removes folders, also what a command has made of them."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path


def remove_tree(folder: Path) -> None:
    """Removes a folder with all that it holds. What cannot be removed stays."""
    if folder.is_symlink():  # it may lead anywhere
        folder.unlink(missing_ok=True)
        return
    _open(folder)
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            _open(Path(parent, name))
    shutil.rmtree(folder, ignore_errors=True)


def _open(folder: Path) -> None:
    """Has a folder let its owner in. Before it is looked into: a walk leaves out what it cannot read."""
    if not folder.is_symlink():
        with contextlib.suppress(OSError):
            folder.chmod(0o700)
