"""Whether the API lives and whether it can work: database, Temporal, a worker on every queue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from codeai.api.auth.caller import Caller
from codeai.api.dependencies import Parts, Route, Using, optional_caller
from codeai.api.problems import Refused
from codeai.api.views import View
from codeai.workflows.contracts.queues import EXEC, WORKFLOWS

router = APIRouter(prefix="/health", tags=["health"], route_class=Route)

LIMIT = 2.0
"""Seconds for each part to answer."""
QUEUES = {WORKFLOWS: TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, EXEC: TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY}
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


class HealthView(View):
    """`parts` are shown to whoever may read them: a part and `ok`, or what is wrong with it."""

    status: str
    parts: dict[str, str] | None = None


@router.get("")
async def show_health(parts: Using, caller: Asker) -> HealthView:
    """Always answered; `degraded` where a part does not answer."""
    found = await _examined(parts)
    return _view(found, caller)


@router.get("/live")
async def show_live() -> HealthView:
    """The process answers."""
    return HealthView(status="ok")


@router.get("/ready", responses={503: {"model": HealthView, "description": "Something is missing"}})
async def show_ready(parts: Using, caller: Asker, response: Response) -> HealthView:
    """503 where the database, Temporal or a worker is missing."""
    found = await _examined(parts)
    if not all(state == "ok" for state in found.values()):
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    return _view(found, caller)


def _view(found: dict[str, str], caller: Caller | None) -> HealthView:
    status = "ok" if all(state == "ok" for state in found.values()) else "degraded"
    return HealthView(
        status=status, parts=found if caller is not None and caller.may("health:read") else None
    )


async def _examined(parts: Parts) -> dict[str, str]:
    asked = {"database": parts.database.answers(), "temporal": _temporal(parts.temporal)}
    asked |= {f"queue {name}": _polled(parts.temporal, name) for name in QUEUES}
    answers = await asyncio.gather(*(_state(one) for one in asked.values()))
    return dict(zip(asked, answers, strict=True))


async def _state(asked: Awaitable[None]) -> str:
    try:
        async with asyncio.timeout(LIMIT):
            await asked
    except NotThere as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (whatever keeps a part from answering is the answer)
        return f"does not answer ({type(error).__name__})"
    return "ok"


class NotThere(Exception):
    """A part answers, but is not what is needed."""


async def _temporal(temporal: Client) -> None:
    if not await temporal.service_client.check_health(timeout=timedelta(seconds=LIMIT)):
        raise NotThere("says that it is not healthy")


async def _polled(temporal: Client, queue: str) -> None:
    asked = DescribeTaskQueueRequest(
        namespace=temporal.namespace, task_queue=TaskQueue(name=queue), task_queue_type=QUEUES[queue]
    )
    answer = await temporal.workflow_service.describe_task_queue(asked, timeout=timedelta(seconds=LIMIT))
    if not answer.pollers:
        raise NotThere("no worker; start one with: codeai worker all")
