"""What is sent and what comes back, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Headers = Mapping[str, str]
"""By lower-case names."""


@dataclass(frozen=True, slots=True)
class Sending:
    """One request as it is asked for. `shown` is what logs and messages call it: no query, no secret. `timeout`
    (seconds) is each attempt's; `retry` the attempts after the first, whatever the method, None for the client's own
    policy. The headers in `private` and a body that is so are never given to another origin. With `any_status` no
    status counts as a breakdown of the other side."""

    method: str
    url: str
    shown: str
    headers: Headers
    body: bytes | None = None
    timeout: float = 30.0
    retry: int | None = None
    follow: bool = True
    private: frozenset[str] = frozenset()
    private_body: bool = False
    any_status: bool = False

    def __repr__(self) -> str:
        return f"Sending({self.shown})"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: its headers by lower-case names, several values of one joined by a comma; its body
    decompressed. `attempts` is how often it was sent."""

    status: int
    headers: Headers
    body: bytes
    attempts: int = 1
