"""A Temporal server for the runner's tests, and worker processes that may be killed."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from codeai.activities.shell.host import ShellHost, host_id
from codeai.activities.shell.settings import ShellSettings
from codeai.activities.shell.spool import Ended, Running, Spool
from codeai.workflows.contracts.queues import exec_on
from codeai.workflows.contracts.shell import CommandInput, CommandResult
from tests.activities.shell.bench import Bench
from tests.activities.shell.rig import QUEUE, Commands, FileRecord
from tests.dev_server import dev_server

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="session")
async def temporal() -> AsyncIterator[Client]:
    async with dev_server() as server:
        yield server.client


class Rig:
    """A host's root, its record, its workers."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.client = client
        self.root = folder / "host"
        self.root.mkdir(mode=0o700)
        self.record = FileRecord(folder / "record")
        self.host = host_id(self.root)
        self.spool = Spool.open(self.root / "spool")
        self.workers: list[Process] = []

    async def worker(self) -> Process:
        """A worker process that is ready."""
        process = await self.begin_worker()
        await self.ready(process)
        return process

    async def begin_worker(self, code: Path = REPOSITORY) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.activities.shell.worker",
            self.client.service_client.config.target_host,
            str(self.root),
            str(self.record.file),
            cwd=code,
            stdout=PIPE,
        )
        self.workers.append(process)
        return process

    async def ready(self, process: Process) -> None:
        assert process.stdout is not None
        while (line := await process.stdout.readline()) != b"ready\n":
            assert line, "the worker ended"

    async def start(self, *steps: CommandInput) -> WorkflowHandle[Commands, list[CommandResult]]:
        """A run of these commands."""
        given = [step.model_copy(update={"spool": self.spool.id}) for step in steps]
        return await self.client.start_workflow(
            Commands.run,
            args=[self.host, given],
            id=steps[0].workflow_id,
            task_queue=QUEUE,
            task_timeout=timedelta(seconds=2),
        )

    async def close(self) -> None:
        for process in self.workers:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


class Here:
    """The runner in this process, on a rig."""

    def __init__(self, rig: Rig, host: ShellHost) -> None:
        self.rig = rig
        self.host = host
        self.record = rig.record
        self.start = rig.start

    async def run(self, *steps: CommandInput) -> list[CommandResult]:
        return await asyncio.wait_for((await self.start(*steps)).result(), 20)

    async def started(self, step: CommandInput) -> None:
        """Waits until the step's command has begun."""
        async with asyncio.timeout(10):
            while not any(isinstance(self.rig.spool.attempt(step).look(), kind) for kind in (Running, Ended)):
                await asyncio.sleep(0.005)

    async def left_alone(self, step: CommandInput) -> None:
        """The step's run is terminated; when that is known the command, which waits for the file `go`, ends."""
        run = await self.start(step)
        await self.started(step)
        await run.terminate()
        attempt = self.rig.spool.attempt(step)
        while attempt.key in self.rig.spool.newest_tokens():
            await asyncio.sleep(0.02)
        (self.rig.root / "runs" / step.execution_id / "work" / "go").touch()
        while not isinstance(attempt.look(), Ended):
            await asyncio.sleep(0.02)


@pytest.fixture
async def here(rig: Rig) -> AsyncIterator[Here]:
    settings = ShellSettings(workspace_roots=(rig.root.parent / "allowed",))
    host = ShellHost(rig.root, rig.client, rig.record, settings)
    await host.start()
    flows = Worker(
        rig.client, task_queue=QUEUE, workflows=[Commands], workflow_runner=UnsandboxedWorkflowRunner()
    )
    async with flows, Worker(rig.client, task_queue=exec_on(host.id), activities=host.activities()):
        yield Here(rig, host)
        await host.detach()


@pytest.fixture
async def rig(temporal: Client, tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(temporal, tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    await made.spawner.open()
    yield made
    made.spawner.close()
