"""Versions as ETags: what a GET shows and a PUT or DELETE may insist on."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header

from codeai.api.problems import Refused

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=64, description="change it only while this ETag is in force"),
]
_ETAG = re.compile(r'(?:W/)?"(\d{1,9})"')


def etag(version: int) -> str:
    return f'"{version}"'


def must_be_there(if_match: str | None) -> bool:
    """Whether the caller insists that there is a version, whichever (RFC 9110, 13.1.1)."""
    return if_match is not None and if_match.strip() == "*"


def matched(if_match: str | None) -> int | None:
    """The version that the caller saw; None for any. Raises Refused(precondition_failed) for what is no ETag."""
    if if_match is None or must_be_there(if_match):
        return None
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise Refused("precondition_failed", "If-Match is not an ETag of this resource; read it again")
    return int(found[1])
