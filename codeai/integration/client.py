"""The integration client: one policy for everything that leaves the platform."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.metadata import version

import structlog

from codeai.integration import policy
from codeai.integration.circuits import Circuits
from codeai.integration.exchange import Answer, Sending
from codeai.integration.guard import Guard
from codeai.integration.pace import Pace
from codeai.integration.unanswered import Unanswered, Why, refused
from codeai.integration.wire import Url, Wire
from codeai.settings import OutboundSettings

logger = structlog.get_logger(__name__)

DEFAULTS = {
    "accept": "*/*",
    "accept-encoding": "gzip, deflate",
    "user-agent": f"CodeAI/{version('codeai')}",
}
"""Headers of a request that names no others."""
UNFIT = (Why.REFUSED, Why.CIRCUIT_OPEN)
"""What says nothing about the other side."""


class Client:
    """Sends requests: guarded, paced, repeated where that is safe, and not at all to an origin that keeps failing."""

    def __init__(self, wire: Wire, pace: Pace, circuits: Circuits | None = None) -> None:
        self._wire = wire
        self._pace = pace
        self._circuits = circuits or Circuits()

    async def send(self, asked: Sending) -> Answer:
        """The answer, whatever its status.

        Raises:
            Unanswered: there is none.
        """
        last: Answer | Unanswered | None = None
        attempt = 1
        while True:
            began = time.monotonic()
            outcome = await self._attempt(asked)
            _tell(asked, attempt, outcome, time.monotonic() - began)
            if isinstance(outcome, Unanswered) and outcome.why is Why.CIRCUIT_OPEN and last is not None:
                return _ended(last, attempt - 1)  # what opened it says more
            chance = random.uniform(-1, 1)  # noqa: S311 (no secret)
            pause = policy.pause_before_next(asked, attempt, outcome, chance, time.time())
            if pause is None:
                return _ended(outcome, attempt)
            await asyncio.sleep(pause)
            last, attempt = outcome, attempt + 1

    async def _attempt(self, asked: Sending) -> Answer | Unanswered:
        """One attempt, with the redirects that it follows."""
        deadline = asyncio.get_running_loop().time() + asked.timeout
        hops = 0
        try:
            url = Url.read(asked.url)
            while True:
                answer = await self._hop(asked, url, deadline)
                location = policy.redirect_of(asked, answer)
                if location is None:
                    return answer
                hops += 1
                if hops > policy.REDIRECTS:
                    raise refused(f"it was redirected more than {policy.REDIRECTS} times")
                there = url.joined(location)
                asked = policy.redirected(asked, answer.status, str(there.parsed), there.origin == url.origin)
                url = there
        except Unanswered as failure:
            failure.sent = failure.sent or hops > 0
            if hops:
                failure.reason = f"after a redirect: {failure.reason}"
            return failure

    async def _hop(self, asked: Sending, url: Url, deadline: float) -> Answer:
        """One request to one place."""
        try:
            async with asyncio.timeout_at(deadline):
                await self._pace.turn(url.origin)
        except TimeoutError:
            raise Unanswered(Why.TIMEOUT, "not sent in time: too many requests to this host") from None
        with self._circuits.passing(url.origin) as passage:
            try:
                answer = await self._wire.exchange(
                    asked.method, url, DEFAULTS | dict(asked.headers), asked.body, deadline
                )
            except Unanswered as failure:
                passage.success = None if failure.why in UNFIT else failure.why is Why.TOO_LARGE
                raise
            passage.success = not policy.shows_a_breakdown(asked, answer)
        return answer


@asynccontextmanager
async def outbound_client(settings: OutboundSettings) -> AsyncIterator[Client]:
    """The client of a process, as the settings have it."""
    wire = Wire(Guard(settings.allow), settings.proxy)
    try:
        yield Client(wire, Pace(settings.rate))
    finally:
        await wire.aclose()


def _ended(outcome: Answer | Unanswered, attempts: int) -> Answer:
    if isinstance(outcome, Unanswered):
        outcome.attempts = attempts
        raise outcome
    return replace(outcome, attempts=attempts)


def _tell(asked: Sending, attempt: int, outcome: Answer | Unanswered, took: float) -> None:
    """One line for each attempt, with nothing in it that the request's name does not have."""
    log = logger.bind(request=asked.shown, attempt=attempt, milliseconds=round(took * 1000))
    if isinstance(outcome, Answer):
        log.info("request answered", status=outcome.status, bytes=len(outcome.body))
    else:
        log.info("request failed", why=outcome.why.value)
