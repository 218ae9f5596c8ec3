"""A workspace from git: where it may come from, and which names of revisions are names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from codeai.workflows.contracts.base import Contract

PORTS = {"https": 443, "ssh": 22}
"""The schemes that a repository may be reached by, with their usual ports."""
_URL = re.compile(
    r"(?P<scheme>[a-z+.-]+)://(?:(?P<user>[^@/]*)@)?(?P<host>[^@:/\[\]]+|\[[0-9a-fA-F:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"/(?P<path>[!-~]*)",
    re.ASCII,
)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}|\[[0-9a-fA-F:.]+\]", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@#=,-]{0,254}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a repository is."""

    scheme: str
    host: str
    port: int


def place_of(url: str) -> Place:
    """What a repository's URL names. ValueError where no repository may be fetched from such a one."""
    found = _URL.fullmatch(url)
    if found is None or found["scheme"] not in PORTS:
        raise ValueError("a repository's URL is https://HOST/PATH or ssh://USER@HOST/PATH")
    if found["user"] is not None and ":" in found["user"]:
        raise ValueError(
            "the URL has a password in it, which the history would keep: use ssh, or the worker's ~/.netrc"
        )
    if found["user"] is not None and not _USER.fullmatch(found["user"]):
        raise ValueError("the URL's user is no name")
    if not _HOST.fullmatch(found["host"]):
        raise ValueError("the URL's host is no name")
    port = int(found["port"] or PORTS[found["scheme"]])
    if not 0 < port < 65536:
        raise ValueError("the URL's port is not a number from 1 to 65535")
    return Place(found["scheme"], found["host"].strip("[]"), port)


def _url(url: str) -> str:
    try:
        place_of(url)
    except ValueError as problem:
        raise PydanticCustomError("git_url", "{why}", {"why": str(problem)}) from None
    return url


def _revision(name: str) -> str:
    if not _REVISION.fullmatch(name) or ".." in name or "@{" in name:
        raise PydanticCustomError("git_revision", "a revision is a branch, a tag or a commit")
    return name


class GitSeed(Contract):
    """A repository as it is at a revision: a branch, a tag or a commit."""

    url: Annotated[str, AfterValidator(_url)]
    revision: Annotated[str, AfterValidator(_revision)] = "HEAD"
