"""The client's decisions (★), as functions of values: what is repeated, when, and where a redirect may go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime

from codeai.integration.exchange import Answer, Sending
from codeai.integration.unanswered import Unanswered, Why, refused

RETRIES = 2
"""Attempts after the first."""
BASE, FACTOR, LONGEST_PAUSE, JITTER = 0.1, 2.0, 30.0, 0.25
"""Pauses: the first in seconds, how it grows, the longest, and the part of it that is left to chance."""
REDIRECTS = 5
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
"""Methods that may be repeated: again means the same as once (RFC 9110, 9.2.2)."""
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may be another one a little later."""
REDIRECTED = frozenset({301, 302, 303, 307, 308})
CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})


def is_safe_to_repeat(method: str, headers: Mapping[str, object]) -> bool:
    """Whether the request may reach the other side twice."""
    return method in SAFE or "idempotency-key" in headers


def pause_before_next(
    asked: Sending, attempt: int, outcome: Answer | Unanswered, chance: float, now: float
) -> float | None:
    """Seconds before the next attempt; None where the outcome stays. `attempt` counts from 1, `chance` is from -1 to 1,
    `now` in seconds since 1970."""
    if attempt > (RETRIES if asked.retry is None else asked.retry) or not _may_pass(outcome):
        return None
    reached = isinstance(outcome, Answer) or outcome.sent
    if reached and asked.retry is None and not is_safe_to_repeat(asked.method, asked.headers):
        return None
    pause = min(BASE * FACTOR ** min(attempt - 1, 30), LONGEST_PAUSE) * (1 + JITTER * chance)
    wanted = asked_pause(outcome.headers.get("retry-after"), now) if isinstance(outcome, Answer) else 0.0
    return None if wanted > LONGEST_PAUSE else max(pause, wanted)


def _may_pass(outcome: Answer | Unanswered) -> bool:
    if isinstance(outcome, Answer):
        return outcome.status in PASSING
    return outcome.why in (Why.UNREACHABLE, Why.BROKEN, Why.TIMEOUT)


def asked_pause(retry_after: str | None, now: float) -> float:
    """The seconds that `Retry-After` asks for: a number, or a date. What cannot be read asks for nothing."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return 0.0


def shows_a_breakdown(asked: Sending, answer: Answer) -> bool:
    """Whether the answer counts against its origin."""
    return answer.status >= 500 and not asked.any_status


def redirect_of(asked: Sending, answer: Answer) -> str | None:
    """Where the answer sends us on to; None where it stays."""
    location = answer.headers.get("location")
    return location if asked.follow and answer.status in REDIRECTED and location else None


def redirected(asked: Sending, status: int, to: str, same_origin: bool) -> Sending:
    """The request that follows a redirect. Another origin gets no credentials.

    Raises:
        Unanswered: it would give a private body to another origin.
    """
    method, headers, body = asked.method, dict(asked.headers), asked.body
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, body = "GET", None
        headers = {name: value for name, value in headers.items() if not name.startswith("content-")}
    if not same_origin:
        if body is not None and asked.private_body:
            raise refused("it redirects to another host, which must not get the secret in the body")
        hidden = CREDENTIALS | asked.private
        headers = {name: value for name, value in headers.items() if name not in hidden}
    return replace(asked, url=to, method=method, headers=headers, body=body)
