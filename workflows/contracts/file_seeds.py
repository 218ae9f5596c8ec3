"""A workspace from files: which paths can be files there, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from posixpath import normpath

MOST_PATH, MOST_NAME = 2048, 255
"""Bytes of a path and of each of its names: Linux has 4096, of which the workspace's own path takes some, and 255."""


def check_paths(paths: Iterable[str]) -> None:
    """ValueError for the first path that leads out of the workspace or is no file's, or for two that cannot both be
    files. Where links lead to is seen only in the run."""
    normal = {path: _normal(path) for path in paths}
    # With "/" before all other characters, what lies below a file comes directly behind it.
    ordered = sorted(normal, key=lambda path: normal[path].replace("/", "\0"))
    for one, next in pairwise(ordered):
        if normal[one] == normal[next]:
            raise ValueError(f"{one!r} and {next!r} are the same file: give it once")
        if normal[next].startswith(normal[one] + "/"):
            raise ValueError(f"{next!r} cannot lie below {one!r}, which is a file: rename one of them")


def _normal(path: str) -> str:
    shown = repr(path if len(path) <= MOST_NAME else path[:MOST_NAME] + "…")
    if "\0" in path:
        raise ValueError(f"{shown} is no path in the workspace: it has a NUL in it")
    if path == "" or path.endswith("/"):
        raise ValueError(f"{shown} names no file: a path is like 'deploy/app.yaml'")
    if path.startswith("/"):
        raise ValueError(
            f"{shown} is an absolute path: give it from the workspace on, like 'deploy/app.yaml'"
        )
    if len(path.encode()) > MOST_PATH or any(len(name.encode()) > MOST_NAME for name in path.split("/")):
        raise ValueError(f"{shown} is too long: a path has at most {MOST_PATH} bytes, each name {MOST_NAME}")
    normal = normpath(path)
    if normal == ".":
        raise ValueError(f"{shown} is the workspace itself: a path is like 'deploy/app.yaml'")
    if normal == ".." or normal.startswith("../"):
        raise ValueError(f"{shown} leads out of the workspace")
    return normal
