"""Why a request has no answer: the one error of the integration client."""

from __future__ import annotations

from enum import StrEnum


class Why(StrEnum):
    """What went wrong."""

    REFUSED = "refused"  # by the outbound guard: it never leaves
    CIRCUIT_OPEN = "circuit open"  # too many failures just before: it does not leave now
    UNREACHABLE = "unreachable"  # name, connection or TLS
    BROKEN = "broken"  # the connection ended, or what came is no HTTP
    TIMEOUT = "timeout"
    TOO_LARGE = "too large"


class Unanswered(Exception):
    """A request without an answer. `reason` is for people, without a URL or a secret of ours in it; with `sent` the
    other side may have got it. `attempts` is how often it was tried."""

    def __init__(self, why: Why, reason: str, *, sent: bool = False) -> None:
        super().__init__(reason)
        self.why, self.reason, self.sent, self.attempts = why, reason, sent, 1


def refused(reason: str) -> Unanswered:
    """It must not leave."""
    return Unanswered(Why.REFUSED, reason)
