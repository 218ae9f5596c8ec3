"""The floor: what somebody would write by hand on Temporal for the same commands. Runs as a worker process.

    python -m tests.bench.handwritten TEMPORAL_ADDRESS POSTGRES_PORT POSTGRES_PASSWORD

A workflow with one activity a step; the activity runs bash by subprocess and writes a row to Postgres.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

QUEUE = "handwritten"
TABLE = """
CREATE TABLE IF NOT EXISTS steps (run text, step int, exit_code int, output text, at timestamptz DEFAULT now())
"""


@dataclass
class Step:
    run: str
    number: int
    command: str


@workflow.defn
class HandWritten:
    @workflow.run
    async def run(self, commands: list[str]) -> int:
        for number, command in enumerate(commands):
            await workflow.execute_activity(
                "run_step",
                Step(workflow.info().workflow_id, number, command),
                start_to_close_timeout=timedelta(minutes=10),
            )
        return len(commands)


class Steps:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool

    @activity.defn
    async def run_step(self, step: Step) -> str:
        process = await asyncio.create_subprocess_exec(
            *("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        await self.pool.execute(
            "INSERT INTO steps (run, step, exit_code, output) VALUES ($1, $2, $3, $4)",
            *(step.run, step.number, process.returncode, out.decode()),
        )
        return out.decode()


async def main(address: str, port: str, password: str) -> None:
    pool = await asyncpg.create_pool(
        host="127.0.0.1", port=int(port), user="codeai_owner", password=password, database="postgres"
    )
    await pool.execute(TABLE)
    client = await Client.connect(address)
    async with Worker(
        client,
        task_queue=QUEUE,
        workflows=[HandWritten],
        activities=[Steps(pool).run_step],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
