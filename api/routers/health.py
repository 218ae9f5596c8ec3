"""Whether the API lives and whether it can work."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from codeai.api.auth.caller import Caller
from codeai.api.dependencies import Using, optional_caller
from codeai.api.problems import Refused
from codeai.api.routing import Route
from codeai.api.views import View
from codeai.persistence.hosts import Host

router = APIRouter(prefix="/health", tags=["health"], route_class=Route)


async def _asker(request: Request) -> Caller | None:
    """The caller. While what he may is not known he is told what everybody is told: health always answers."""
    try:
        return await optional_caller(request)
    except Refused as refused:
        if refused.status != 503:
            raise
        return None


Asker = Annotated[Caller | None, Depends(_asker)]


@dataclass
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


@dataclass
class HealthView(View):
    """`parts` and `hosts` are shown to whoever may read them: a part and `ok`, or what is wrong with it; each host is
    one."""

    status: str
    parts: dict[str, str] | None = None
    hosts: list[HostView] | None = None


@router.get("")
async def show_health(parts: Using, caller: Asker) -> HealthView:
    """Always answered; `degraded` where a part does not answer, or a host that was there within the hour."""
    needed, hosts = await asyncio.gather(parts.health.needed.found(), parts.health.hosts.found())
    return _view(caller, needed, hosts)


@router.get("/live")
async def show_live() -> HealthView:
    """The process answers."""
    return HealthView(status="ok")


@router.get("/ready", responses={503: {"model": HealthView, "description": "Something is missing"}})
async def show_ready(parts: Using, caller: Asker, response: Response) -> HealthView:
    """503 where the database, Temporal or a worker for one of the platform's queues is missing. Hosts are not asked:
    without one, others take its runs."""
    view = _view(caller, await parts.health.needed.found())
    if view.status != "ok":
        response.status_code = 503
        response.headers["Retry-After"] = "1"
    return view


def _view(
    caller: Caller | None, needed: Mapping[str, str], hosts: Sequence[tuple[Host, str]] | None = None
) -> HealthView:
    parts = {**needed, **{f"host {host.name} ({host.id})": state for host, state in hosts or ()}}
    status = "ok" if all(state == "ok" for state in parts.values()) else "degraded"
    if caller is None or not caller.may("health:read"):
        return HealthView(status=status)
    views = None if hosts is None else [_host_view(host, state) for host, state in hosts]
    return HealthView(status=status, parts=parts, hosts=views)


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
