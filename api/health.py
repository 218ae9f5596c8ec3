"""How each part of the platform is: database, Temporal, a worker on every queue, the hosts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.client import Client

from codeai.api.outages import reading
from codeai.api.problems import Refused
from codeai.persistence.hosts import Host, Hosts
from codeai.persistence.reads import Reads
from codeai.pollers import ACTIVITIES, WORKFLOWS, pollers
from codeai.workflows.contracts.queues import TASK_QUEUES, control_on, exec_on

LIMIT = 2.0
"""Seconds for each part to answer."""
FRESH, HOSTS_FRESH = 1.0, 2.0
"""Seconds for which everybody who asks is told the same. Who asks needs no token, and to look at 50 hosts takes a
hundred questions to Temporal."""
SEEN_WITHIN = timedelta(hours=1)
"""Hosts that were not seen for longer are taken to be gone for good."""
MOST_HOSTS = 50
NEEDED = {
    f"queue {queue.name} ({word})": (queue.name, kind)
    for queue in TASK_QUEUES
    if not queue.name.endswith(("@", "-"))  # those of one host, or of a label, come and go
    for word, kind, slots in (
        ("workflows", WORKFLOWS, queue.workflow_slots),
        ("activities", ACTIVITIES, queue.slots),
    )
    if slots
}
"""The queues without which nothing runs, and what is polled there."""

Found = TypeVar("Found")


class NotThere(Exception):
    """A part answers, but is not what is needed."""


class Told(Generic[Found]):
    """What `look` finds, looked for once for all who ask within `seconds`."""

    def __init__(self, look: Callable[[], Awaitable[Found]], seconds: float) -> None:
        self._look = look
        self._seconds = seconds
        self._looking: asyncio.Task[Found] | None = None
        self._found_at = float("-inf")

    async def found(self) -> Found:
        looking = self._looking
        if looking is None or (looking.done() and time.monotonic() - self._found_at > self._seconds):
            looking = self._looking = asyncio.create_task(self._found())
        return await asyncio.shield(looking)

    async def _found(self) -> Found:
        found = await self._look()
        self._found_at = time.monotonic()
        return found


class Health:
    """What is `needed`, so that anything runs, and the `hosts` that were there lately: without one, others take its
    runs."""

    def __init__(self, database: Reads, temporal: Client) -> None:
        self._database = database
        self._temporal = temporal
        self.needed = Told(self._needed, FRESH)
        self.hosts = Told(self._hosts, HOSTS_FRESH)

    async def _needed(self) -> dict[str, str]:
        """Every part by its name: `ok`, or what is wrong with it."""
        asked = {"database": self._database.answers(), "temporal": _temporal(self._temporal)}
        asked |= {name: polled(self._temporal, queue, kind) for name, (queue, kind) in NEEDED.items()}
        return dict(zip(asked, await _states(asked.values()), strict=True))

    async def _hosts(self) -> list[tuple[Host, str]]:
        """Nothing while the database cannot say which there are."""
        since = datetime.now(UTC) - SEEN_WITHIN
        try:
            async with asyncio.timeout(LIMIT), reading(self._database) as rows:
                hosts = await Hosts(rows).seen_since(since, MOST_HOSTS)
        except (TimeoutError, Refused):
            return []
        states = await _states(_works(self._temporal, host) for host in hosts)
        return list(zip(hosts, states, strict=True))


async def _states(asked: Iterable[Awaitable[None]]) -> list[str]:
    return await asyncio.gather(*map(_state, asked))


async def _state(asked: Awaitable[None]) -> str:
    try:
        async with asyncio.timeout(LIMIT):
            await asked
    except NotThere as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (whatever keeps a part from answering is the answer)
        return f"does not answer ({type(error.__cause__ or error).__name__})"
    return "ok"


async def _temporal(temporal: Client) -> None:
    if not await temporal.service_client.check_health(timeout=timedelta(seconds=LIMIT)):
        raise NotThere("says that it is not healthy")


async def polled(temporal: Client, queue: str, kind: TaskQueueType.ValueType) -> None:
    """Raises NotThere where nobody has polled the queue lately."""
    if not await pollers(temporal, queue, kind):
        raise NotThere("no worker; start one with: codeai worker all")


async def _works(temporal: Client, host: Host) -> None:
    """Raises NotThere where no worker takes the host's commands, or what controls them."""
    for queue in (exec_on(host.id), control_on(host.id)):
        try:
            await polled(temporal, queue, ACTIVITIES)
        except NotThere:
            raise NotThere(
                f"no worker since {host.last_seen:%Y-%m-%d %H:%M} UTC; its runs wait for it"
            ) from None
