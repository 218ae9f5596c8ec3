"""One worker process: connects, polls the queues of its role, and stops without losing what is under way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import structlog
import uvloop
from temporalio.client import Client
from temporalio.worker import Worker

from codeai.activities.changes import Changes
from codeai.activities.checkpoints import CheckpointRecords
from codeai.activities.claims import Claims
from codeai.activities.compilers import Compilers
from codeai.activities.decisions import Decisions
from codeai.activities.effects.events import EventEffects
from codeai.activities.effects.http import HttpEffects
from codeai.activities.lanes import Lanes
from codeai.activities.programs import Programs
from codeai.activities.publishing import Publishing
from codeai.activities.reconciling import Reconciling
from codeai.activities.records import Records
from codeai.activities.retention import Retention
from codeai.activities.secrets import Secrets
from codeai.activities.shell.host import ShellHost
from codeai.activities.shell.sandbox import try_it
from codeai.activities.shell.settings import ShellSettings
from codeai.activities.sightings import keep_seen
from codeai.activities.step_records import StepRecords
from codeai.activities.unsealing import Keys
from codeai.integration.client import outbound_client
from codeai.observing import Observing
from codeai.persistence.engine import Database
from codeai.settings import BadSettings, Settings, WorkerSettings
from codeai.workers import registry
from codeai.workers.connections import connect_temporal, worker_database
from codeai.workers.metrics_port import told_at_port
from codeai.workers.polling import Ending, polling
from codeai.workers.runner import QuietRunner
from codeai.workers.schedules import ensure_schedules
from codeai.workers.shell import shell_settings
from codeai.workers.versions import take_new_runs, versioned
from codeai.workflows.contracts.executions import Budget
from codeai.workflows.contracts.queues import (
    OF_CLAIMS,
    OF_COMMANDS,
    OF_CONTROL,
    OF_WORKFLOWS,
    POLLERS,
    claims_on,
    control_on,
    exec_on,
)

logger = structlog.get_logger(__name__)

STICKY = timedelta(seconds=1)
"""How long a task waits for the worker that has the run in memory: a dead one holds nothing up longer."""
HEARTBEAT = timedelta(seconds=2)


def main(role: str, settings: Settings, label: str | None = None, build_id: str | None = None) -> None:
    """Runs the worker of `role` (`all`, or one of the task queues' table) until SIGTERM or SIGINT. With a `label` it
    takes the steps that ask for it, and no others. BadSettings where it could let no decision count; NoSandbox where
    steps are to run in one and cannot; SpoolGone where somebody removes what it serves."""
    if role in ("all", "workflows") and settings.approvals.require_api and not settings.approvals.public_key:
        raise BadSettings(
            ["approvals.require_api is set: workers need approvals.public_key (codeai approvals key)"]
        )
    shell = shell_settings(settings)
    if role in ("all", "exec") and shell.sandbox is not None:
        try_it(shell.sandbox, settings.worker.root.absolute())
    uvloop.run(_serve(role, settings, shell, label, build_id))


async def _serve(
    role: str, settings: Settings, shell: ShellSettings, label: str | None, build_id: str | None
) -> None:
    ending = Ending()
    loop = asyncio.get_running_loop()
    # Before connecting: a worker told to stop in its first moments must not die of the signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.ask)
    async with contextlib.AsyncExitStack() as parts:
        observing = parts.enter_context(contextlib.closing(Observing.by(settings, "worker")))
        parts.enter_context(told_at_port(settings.metrics, observing.metrics))
        client = await _connected(settings, role, observing, ending)
        if client is None:
            return
        database = worker_database(settings.database, settings.logging.slow_query, observing.metrics)
        parts.push_async_callback(database.close)
        keys = Keys(settings.seal.private_key)
        secrets = Secrets(database, keys)
        workers: list[Worker] = []
        if role in ("all", "exec"):
            host = await parts.enter_async_context(
                _host(client, database, settings.worker.root, label, shell, secrets, ending)
            )
            workers += _exec_workers(client, database, host, settings.worker, label, ending)
        if role in ("all", "workflows"):
            compilers = parts.enter_context(contextlib.closing(Compilers()))
            outbound = await parts.enter_async_context(outbound_client(settings.outbound))
            http = HttpEffects(database, outbound, secrets)
            workers.append(
                _workflow_worker(client, database, compilers, keys, http, settings, ending, build_id)
            )
            parts.callback(asyncio.ensure_future(ensure_schedules(client)).cancel)
            if build_id is not None:
                parts.callback(asyncio.ensure_future(take_new_runs(client, build_id)).cancel)
        async with polling(workers, ending, settings.worker.drain_timeout):
            _tell_ready(settings.worker)
            logger.info("worker is ready", role=role, pid=os.getpid())
            await ending.wait()
            logger.info("worker stops", role=role)
            if role in ("all", "exec"):
                # At once: commands are let go of before anything else is waited for.
                await host.detach()
    ending.raise_what_broke()


async def _connected(settings: Settings, role: str, observing: Observing, ending: Ending) -> Client | None:
    """A client, as soon as there is a Temporal; None where the worker is told to stop before."""
    connecting = asyncio.ensure_future(connect_temporal(settings.temporal, role, observing))
    stopping = asyncio.ensure_future(ending.wait())
    await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if ending.is_near:
        connecting.cancel()
        return None
    return connecting.result()


def _workflow_worker(
    client: Client,
    database: Database,
    compilers: Compilers,
    keys: Keys,
    http: HttpEffects,
    settings: Settings,
    ending: Ending,
    build_id: str | None,
) -> Worker:
    """All workflow code, the short activities of the database, and what goes out."""
    runner = QuietRunner()
    worker = Worker(
        client,
        task_queue=OF_WORKFLOWS.name,
        workflows=registry.WORKFLOWS,
        activities=[
            *Records(database).activities(),
            *CheckpointRecords(database).activities(),
            *Lanes(database, settings.worker.host_lost_after).activities(),
            *Reconciling(database, settings.worker.host_lost_after).activities(),
            *Programs(database, compilers).activities(),
            *Changes(database, compilers, keys).activities(),
            *Decisions(settings.approvals.public_key, settings.approvals.require_api).activities(),
            *EventEffects(database).activities(),
            *Publishing(database).activities(),
            *Retention(database, settings.retention).activities(),
            *http.activities(),
        ],
        workflow_runner=runner,
        deployment_config=None if build_id is None else versioned(build_id),
        max_concurrent_workflow_tasks=OF_WORKFLOWS.workflow_slots,
        max_concurrent_activities=OF_WORKFLOWS.slots,
        max_heartbeat_throttle_interval=HEARTBEAT,
        sticky_queue_schedule_to_start_timeout=STICKY,
        graceful_shutdown_timeout=timedelta(seconds=settings.worker.drain_timeout),
        on_fatal_error=ending.broke,
    )
    runner.serve(worker)
    return worker


@contextlib.asynccontextmanager
async def _host(
    client: Client,
    database: Database,
    root: Path,
    label: str | None,
    settings: ShellSettings,
    secrets: Secrets,
    ending: Ending,
) -> AsyncIterator[ShellHost]:
    """The runner of shell commands on this host, ready to take them."""

    async def served() -> None:
        try:
            await host.serve()
        except Exception as error:  # noqa: BLE001 - raised at the process's end
            await ending.broke(error)

    host = ShellHost(root, client, StepRecords(database), settings, secrets)
    host.labels.serve(label or "")
    seen = asyncio.create_task(keep_seen(database, host))
    try:
        await host.start()
        serving = asyncio.create_task(served())
        yield host
        serving.cancel()
    finally:
        seen.cancel()
        await host.detach()


def _exec_workers(
    client: Client,
    database: Database,
    host: ShellHost,
    settings: WorkerSettings,
    label: str | None,
    ending: Ending,
) -> list[Worker]:
    """Which runs this host takes, their commands, and what has to reach it however busy it is."""
    budget = Budget(
        soft_events=settings.soft_events,
        soft_bytes=settings.soft_bytes,
        hard_events=settings.hard_events,
        hard_bytes=settings.hard_bytes,
    )
    claims = Claims(database, host.id, host.spool_id, budget, host.slots, settings.host_lost_after)
    polled = (
        (claims_on(label), OF_CLAIMS, claims.activities()),
        (exec_on(host.id), OF_COMMANDS, host.activities()),
        (control_on(host.id), OF_CONTROL, host.control.activities()),
    )
    return [
        Worker(
            client,
            task_queue=queue,
            activities=activities,
            max_concurrent_activities=row.slots,
            max_concurrent_activity_task_polls=POLLERS,
            max_heartbeat_throttle_interval=HEARTBEAT,
            graceful_shutdown_timeout=timedelta(seconds=settings.drain_timeout),
            on_fatal_error=ending.broke,
        )
        for queue, row, activities in polled
    ]


def _tell_ready(settings: WorkerSettings) -> None:
    """Whoever started this process waits for the file with its id."""
    if settings.ready_file is not None:
        partial = settings.ready_file.with_suffix(".part")
        partial.write_text(str(os.getpid()))
        partial.replace(settings.ready_file)
