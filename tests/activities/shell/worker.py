"""A worker process for tests that kill it: `python -m tests.activities.shell.worker ADDRESS ROOT RECORD ROOTS`."""

from __future__ import annotations

import asyncio
import signal
import sys
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from codeai.activities.shell.host import ShellHost
from codeai.activities.shell.settings import ShellSettings
from codeai.workflows.contracts.queues import exec_on
from tests.activities.shell.rig import QUEUE, Commands, FileRecord


async def main(address: str, root: Path, record: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    host = ShellHost(root, client, FileRecord(record), ShellSettings(workspace_roots=(root.parent,)))
    flows = Worker(
        client,
        task_queue=QUEUE,
        workflows=[Commands],
        workflow_runner=UnsandboxedWorkflowRunner(),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    )
    commands = Worker(client, task_queue=exec_on(host.id), activities=host.activities())
    await host.start()
    async with flows, commands:
        print("ready", flush=True)
        await stop.wait()
        await host.detach()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
