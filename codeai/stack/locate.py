"""Finds the server that the command line talks to, and the token for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codeai.stack.credentials import Credentials
from codeai.stack.errors import NotRunning
from codeai.stack.folder import NAME, DataFolder


@dataclass(frozen=True, slots=True)
class Server:
    """Where the API is, and what to show it; no token where none is known."""

    url: str
    token: str | None = field(repr=False)


def locate(url: str | None = None, environment: Mapping[str, str] | None = None) -> Server:
    """The server at `url` (`--url`) or CODEAI_URL, else the one that runs on the `.codeai` of this or a parent
    folder, else the one started last. Raises NotRunning."""
    environment = os.environ if environment is None else environment
    credentials = Credentials.of(environment)
    found = url or environment.get("CODEAI_URL") or _running(environment)
    found = found.rstrip("/")
    return Server(found, environment.get("CODEAI_TOKEN") or credentials.token(found))


def data_folder(environment: Mapping[str, str] | None = None) -> DataFolder | None:
    """The data folder that is meant here: CODEAI_DATA_DIR, else `.codeai` of this or a parent folder, else that
    of the platform started last; None where there is none."""
    environment = os.environ if environment is None else environment
    if environment.get("CODEAI_DATA_DIR"):
        return DataFolder.chosen(None, environment)
    here = Path.cwd()
    for place in (here, *here.parents):
        if (place / NAME).is_dir():
            return DataFolder(place / NAME)
    last = Credentials.of(environment).last_up()
    return None if last is None else DataFolder(last)


def _running(environment: Mapping[str, str]) -> str:
    folder = data_folder(environment)
    running = None if folder is None else folder.running()
    if running is None:
        raise NotRunning
    return running.url
