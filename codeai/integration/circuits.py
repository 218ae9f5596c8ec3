"""Circuit breakers: an origin that keeps failing is left alone for a while, then tried by one request at a time.

Not pybreaker: it counts nothing of an `async def`, and lets every request through when half open.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from codeai.integration.unanswered import Unanswered, Why

FAILURES = 5
"""Failures in a row that open a circuit."""
OPEN_FOR = 60.0
"""Seconds."""
SUCCESSES = 3
"""Successes, one after the other, that close it again."""
MOST_CIRCUITS = 10_000


@dataclass(frozen=True, slots=True)
class Circuit:
    """What is known of an origin: closed, open since a time, or, when that is over, half open."""

    failures: int = 0
    opened_at: float | None = None
    successes: int = 0
    probing: bool = False

    def lets_through(self, now: float) -> bool:
        """Closed: everything; open: nothing; half open: one at a time."""
        return self.opened_at is None or (now - self.opened_at >= OPEN_FOR and not self.probing)


CLOSED = Circuit()


def entered(circuit: Circuit) -> Circuit:
    """Somebody was let through."""
    return replace(circuit, probing=True) if circuit.opened_at is not None else circuit


def left(circuit: Circuit, probe: bool, success: bool | None, now: float) -> Circuit:
    """Whoever was let through has ended: with success, without, or (None) so that it says nothing. One that went in
    before the circuit opened changes nothing any more."""
    if circuit.opened_at is not None:
        if not probe:
            return circuit
        if success is False:
            return Circuit(opened_at=now)
        successes = circuit.successes + (success is True)
        return CLOSED if successes >= SUCCESSES else replace(circuit, successes=successes, probing=False)
    if success is None:
        return circuit
    failures = 0 if success else circuit.failures + 1
    return Circuit(opened_at=now) if failures >= FAILURES else replace(circuit, failures=failures)


class Passage:
    """One request on its way; `success` says how it ended, None that it says nothing about the origin."""

    success: bool | None = None


class Circuits:
    """The circuit of every origin that has failed of late."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._circuits: dict[str, Circuit] = {}

    @contextmanager
    def passing(self, origin: str) -> Iterator[Passage]:
        """Lets a request through. Raises Unanswered where the circuit is open."""
        circuit = self._circuits.get(origin, CLOSED)
        if not circuit.lets_through(self._clock()):
            raise Unanswered(
                Why.CIRCUIT_OPEN,
                f"not sent: requests to this host failed {FAILURES} times in a row, so it is left alone for "
                f"{OPEN_FOR:.0f} s",
            )
        probe = circuit.opened_at is not None
        self._keep(origin, entered(circuit))
        passage = Passage()
        try:
            yield passage
        finally:
            now = self._circuits.get(origin, CLOSED)
            self._keep(origin, left(now, probe, passage.success, self._clock()))

    def _keep(self, origin: str, circuit: Circuit) -> None:
        self._circuits.pop(origin, None)
        if circuit != CLOSED:
            self._circuits[origin] = circuit
        if len(self._circuits) > MOST_CIRCUITS:  # the one that was used longest ago
            del self._circuits[next(iter(self._circuits))]
