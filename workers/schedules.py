"""The platform's own schedules, as Temporal has them: made where they are not there, changed where they differ."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError

from codeai.workflows.contracts.attributes import at_start
from codeai.workflows.contracts.kinds import TASK_TIMEOUT
from codeai.workflows.contracts.schedules import PLATFORM_SCHEDULES, PlatformSchedule

AGAIN = 5.0
"""Seconds until a schedule that could not be made is tried again."""

_log = structlog.get_logger(__name__)


async def ensure_schedules(client: Client) -> None:
    """Comes back when all of them are there; a schedule that somebody paused stays paused."""
    for one in PLATFORM_SCHEDULES:
        while True:
            try:
                await _ensure(client, one)
                break
            except RPCError as error:
                _log.warning("a schedule could not be made; it is tried again", id=one.id, problem=str(error))
                await asyncio.sleep(AGAIN)


async def _ensure(client: Client, one: PlatformSchedule) -> None:
    wanted = _schedule(one)
    try:
        await client.create_schedule(one.id, wanted)
    except ScheduleAlreadyRunningError:
        known = await client.get_schedule_handle(one.id).describe()
        if known.schedule.spec.intervals != wanted.spec.intervals:
            await client.get_schedule_handle(one.id).update(lambda given: _changed(given, wanted))


def _changed(given: ScheduleUpdateInput, wanted: Schedule) -> ScheduleUpdate:
    wanted.state = given.description.schedule.state
    return ScheduleUpdate(schedule=wanted)


def _schedule(one: PlatformSchedule) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            one.kind.type,
            id=one.kind.prefix,
            task_queue=one.kind.queue,
            task_timeout=TASK_TIMEOUT,
            typed_search_attributes=at_start(one.kind.type, f"schedule/{one.id}", None),
            static_summary=one.help,
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=one.every)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=1)),
    )
