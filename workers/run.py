"""One worker process: connects, polls the queues of its role, and stops without losing what is under way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from datetime import timedelta

import structlog
import uvloop
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from codeai.activities.changes import Changes
from codeai.activities.claims import Claims
from codeai.activities.compilers import Compilers
from codeai.activities.programs import Programs
from codeai.activities.records import Records
from codeai.activities.shell.host import ShellHost
from codeai.activities.shell.settings import ShellSettings
from codeai.activities.step_records import StepRecords
from codeai.persistence.engine import Database
from codeai.settings import Settings, WorkerSettings
from codeai.workers import registry
from codeai.workers.connections import connect_temporal, worker_database
from codeai.workflows.contracts.executions import Budget
from codeai.workflows.contracts.queues import OF_CLAIMS, OF_COMMANDS, OF_WORKFLOWS, exec_on

logger = structlog.get_logger(__name__)

STICKY = timedelta(seconds=1)
"""How long a task waits for the worker that has the run in memory: a dead one holds nothing up longer."""
HEARTBEAT = timedelta(seconds=2)


def main(role: str, settings: Settings) -> None:
    """Runs the worker of `role` (`all`, or one of the task queues' table) until SIGTERM or SIGINT."""
    uvloop.run(_serve(role, settings))


async def _serve(role: str, settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Before connecting: a worker told to stop in its first moments must not die of the signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    connecting = asyncio.ensure_future(connect_temporal(settings.temporal, role))
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        connecting.cancel()
        return
    client = connecting.result()
    database = worker_database(settings.database)
    try:
        async with contextlib.AsyncExitStack() as running:
            if role in ("all", "exec"):
                await running.enter_async_context(_host(client, database, settings.worker))
            if role in ("all", "workflows"):
                await running.enter_async_context(_workflows(client, database, settings.worker))
            _tell_ready(settings.worker)
            logger.info("worker is ready", role=role, pid=os.getpid())
            await stopping
            logger.info("worker stops", role=role)
    finally:
        await database.close()


@contextlib.asynccontextmanager
async def _workflows(client: Client, database: Database, settings: WorkerSettings) -> AsyncIterator[None]:
    """All workflow code, and the short activities of the database."""
    with contextlib.closing(Compilers()) as compilers:
        activities = [
            *Records(database).activities(),
            *Programs(database, compilers).activities(),
            *Changes(database, compilers).activities(),
        ]
        worker = Worker(
            client,
            task_queue=OF_WORKFLOWS.name,
            workflows=registry.WORKFLOWS,
            activities=activities,
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_concurrent_workflow_tasks=OF_WORKFLOWS.workflow_slots,
            max_concurrent_activities=OF_WORKFLOWS.slots,
            sticky_queue_schedule_to_start_timeout=STICKY,
            graceful_shutdown_timeout=timedelta(seconds=settings.drain_timeout),
        )
        async with worker:
            yield


@contextlib.asynccontextmanager
async def _host(client: Client, database: Database, settings: WorkerSettings) -> AsyncIterator[None]:
    """The shell commands of this host: which runs it takes, and the commands themselves."""
    host = ShellHost(
        settings.root,
        client,
        StepRecords(database),
        ShellSettings(
            commands_at_once=settings.commands_at_once,
            workspace_roots=settings.workspace_roots,
            private=settings.private,
            environment=settings.environment,
            shell=settings.shell,
        ),
    )
    budget = Budget(
        soft_events=settings.soft_events,
        soft_bytes=settings.soft_bytes,
        hard_events=settings.hard_events,
        hard_bytes=settings.hard_bytes,
    )
    claims = Claims(database, host.id, host.spool_id, budget)
    await host.start()
    try:
        async with (
            Worker(
                client,
                task_queue=OF_CLAIMS.name,
                activities=claims.activities(),
                max_concurrent_activities=OF_CLAIMS.slots,
                max_concurrent_activity_task_polls=2,
                graceful_shutdown_timeout=timedelta(seconds=settings.drain_timeout),
            ),
            Worker(
                client,
                task_queue=exec_on(host.id),
                activities=host.activities(),
                max_concurrent_activities=OF_COMMANDS.slots,
                max_concurrent_activity_task_polls=2,
                max_heartbeat_throttle_interval=HEARTBEAT,
                graceful_shutdown_timeout=timedelta(seconds=settings.drain_timeout),
            ),
        ):
            yield
            # At once: commands are let go of before anything else is waited for.
            await host.detach()
    finally:
        await host.detach()


def _tell_ready(settings: WorkerSettings) -> None:
    """Whoever started this process waits for the file with its id."""
    if settings.ready_file is not None:
        partial = settings.ready_file.with_suffix(".part")
        partial.write_text(str(os.getpid()))
        partial.replace(settings.ready_file)
