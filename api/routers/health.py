"""Whether the API lives and whether it can work: database, Temporal, a worker on every queue, the hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from codeai.api.auth.caller import Caller
from codeai.api.dependencies import Parts, Route, Using, optional_caller
from codeai.api.outages import reading
from codeai.api.problems import Refused
from codeai.api.views import View
from codeai.persistence.hosts import Host, Hosts
from codeai.workflows.contracts.queues import TASK_QUEUES, control_on, exec_on

router = APIRouter(prefix="/health", tags=["health"], route_class=Route)

LIMIT = 2.0
"""Seconds for each part to answer."""
POLLED_WITHIN = timedelta(minutes=2)
"""A poll is open for a minute at most; Temporal tells for longer of those that were there."""
SEEN_WITHIN = timedelta(hours=1)
"""Hosts that were not seen for longer are taken to be gone for good."""
MOST_HOSTS = 50
WORKFLOW, ACTIVITY = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
NEEDED = {
    f"queue {queue.name} ({word})": (queue.name, kind)
    for queue in TASK_QUEUES
    if not queue.name.endswith(("@", "-"))  # those of one host, or of a label, come and go
    for word, kind, slots in (
        ("workflows", WORKFLOW, queue.workflow_slots),
        ("activities", ACTIVITY, queue.slots),
    )
    if slots
}
"""The queues without which nothing runs, and what is polled there."""


async def _asker(request: Request) -> Caller | None:
    """The caller. While what he may is not known he is told what everybody is told: health always answers."""
    try:
        return await optional_caller(request)
    except Refused as refused:
        if refused.status != 503:
            raise
        return None


Asker = Annotated[Caller | None, Depends(_asker)]


class HostView(View):
    """A host as its workers told it last: `labels` are those that it serves, "" for steps without one; of its `slots`
    `slots_taken` have a command."""

    id: str
    name: str
    labels: list[str]
    slots: int
    slots_taken: int
    last_seen: datetime
    state: str
    """`ok`, or what is wrong with it."""


class HealthView(View):
    """`parts` and `hosts` are shown to whoever may read them: a part and `ok`, or what is wrong with it; each host is
    one."""

    status: str
    parts: dict[str, str] | None = None
    hosts: list[HostView] | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """Every part by its name, and how it is; every host, and how it is."""

    parts: dict[str, str]
    hosts: list[tuple[Host, str]]

    @property
    def is_well(self) -> bool:
        return all(state == "ok" for state in (*self.parts.values(), *(state for _, state in self.hosts)))


@router.get("")
async def show_health(parts: Using, caller: Asker) -> HealthView:
    """Always answered; `degraded` where a part does not answer, or a host that was there within the hour."""
    return _view(await _examined(parts), caller)


@router.get("/live")
async def show_live() -> HealthView:
    """The process answers."""
    return HealthView(status="ok")


@router.get("/ready", responses={503: {"model": HealthView, "description": "Something is missing"}})
async def show_ready(parts: Using, caller: Asker, response: Response) -> HealthView:
    """503 where the database, Temporal or a worker for one of the platform's queues is missing. A host that is away
    is not that: others take its runs."""
    found = await _examined(parts)
    if not all(state == "ok" for state in found.parts.values()):
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    return _view(found, caller)


def _view(found: Examined, caller: Caller | None) -> HealthView:
    status = "ok" if found.is_well else "degraded"
    if caller is None or not caller.may("health:read"):
        return HealthView(status=status)
    hosts = {f"host {host.name} ({host.id})": state for host, state in found.hosts}
    return HealthView(
        status=status,
        parts=found.parts | hosts,
        hosts=[_host_view(host, state) for host, state in found.hosts],
    )


def _host_view(host: Host, state: str) -> HostView:
    return HostView(
        id=host.id,
        name=host.name,
        labels=host.labels,
        slots=host.slots,
        slots_taken=host.slots_taken,
        last_seen=host.last_seen,
        state=state,
    )


async def _examined(parts: Parts) -> Examined:
    temporal = parts.temporal
    asked: dict[str, Awaitable[None]] = {
        "database": parts.database.answers(),
        "temporal": _temporal(temporal),
    }
    asked |= {name: _polled(temporal, queue, kind) for name, (queue, kind) in NEEDED.items()}
    hosts = await _hosts(parts)
    answers = await asyncio.gather(
        *(_state(one) for one in (*asked.values(), *(_works(temporal, host) for host in hosts)))
    )
    count = len(asked)
    return Examined(
        dict(zip(asked, answers[:count], strict=True)), list(zip(hosts, answers[count:], strict=True))
    )


async def _state(asked: Awaitable[None]) -> str:
    try:
        async with asyncio.timeout(LIMIT):
            await asked
    except NotThere as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (whatever keeps a part from answering is the answer)
        return f"does not answer ({type(error.__cause__ or error).__name__})"
    return "ok"


class NotThere(Exception):
    """A part answers, but is not what is needed."""


async def _temporal(temporal: Client) -> None:
    if not await temporal.service_client.check_health(timeout=timedelta(seconds=LIMIT)):
        raise NotThere("says that it is not healthy")


async def _polled(temporal: Client, queue: str, kind: TaskQueueType.ValueType) -> None:
    asked = DescribeTaskQueueRequest(
        namespace=temporal.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
    )
    answer = await temporal.workflow_service.describe_task_queue(asked, timeout=timedelta(seconds=LIMIT))
    since = datetime.now(UTC) - POLLED_WITHIN
    if not any(poller.last_access_time.ToDatetime(UTC) > since for poller in answer.pollers):
        raise NotThere("no worker; start one with: codeai worker all")


async def _hosts(parts: Parts) -> list[Host]:
    """The hosts that were there lately; none while the database cannot say."""
    since = datetime.now(UTC) - SEEN_WITHIN
    try:
        async with asyncio.timeout(LIMIT), reading(parts.database) as rows:
            return await Hosts(rows).seen_since(since, MOST_HOSTS)
    except (TimeoutError, Refused):
        return []


async def _works(temporal: Client, host: Host) -> None:
    """Raises NotThere where no worker takes the host's commands, or what controls them."""
    for queue in (exec_on(host.id), control_on(host.id)):
        try:
            await _polled(temporal, queue, ACTIVITY)
        except NotThere:
            raise NotThere(
                f"no worker since {host.last_seen:%Y-%m-%d %H:%M} UTC; its runs wait for it"
            ) from None
