"""Whole runs: a deployment's latency and rate against a hand-written workflow and plain bash, in one run."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from codeai.stack.postgres import Cluster
from codeai.workflows.contracts.attributes import at_start
from codeai.workflows.contracts.executions import ExecuteInput
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT, TASK_TIMEOUT
from tests.bench.handwritten import QUEUE
from tests.platform import Platform, free_ports, platform, wait_until

ROUNDS = 40
AT_ONCE, RUNS = 16, 96
COMMAND = "echo hello"

Run = Callable[[int], Awaitable[object]]


@contextmanager
def own_postgres(folder: Path) -> Iterator[tuple[int, str]]:
    """A second Postgres with the same binaries, for the hand-written workflow: port and password."""
    (port,) = free_ports(1)
    password = uuid.uuid4().hex
    cluster = Cluster.at(folder / "postgres")
    cluster.make(password)
    command = cluster.command(port)
    account = {"user": command.account.uid, "group": command.account.gid} if command.account else {}
    with (folder / "postgres.log").open("wb") as log:
        server = subprocess.Popen(
            command.argv, cwd=command.cwd, env=dict(command.env), stdout=log, stderr=log, **account
        )
    try:
        wait_until(lambda: cluster.ready(server.pid), 20, "Postgres")
        yield port, password
    finally:
        server.send_signal(command.stop)
        server.wait(20)


def ours(client: Client) -> Run:
    async def run(steps: int) -> object:
        program = f"exec {{ {COMMAND} }}\n" * steps
        id = str(uuid.uuid4())
        return await client.execute_workflow(
            EXECUTE_DEPLOYMENT.type,
            ExecuteInput(program=program, execution=id),
            id=EXECUTE_DEPLOYMENT.workflow_id(id),
            search_attributes=at_start(EXECUTE_DEPLOYMENT.type, f"execution/{id}", None),
            task_queue=EXECUTE_DEPLOYMENT.queue,
            task_timeout=TASK_TIMEOUT,
        )

    return run


def by_hand(client: Client) -> Run:
    async def run(steps: int) -> object:
        return await client.execute_workflow(
            "HandWritten", [COMMAND] * steps, id=f"handwritten/{uuid.uuid4()}", task_queue=QUEUE
        )

    return run


async def by_bash(steps: int) -> object:
    for _ in range(steps):
        process = await asyncio.create_subprocess_exec(
            "bash",
            "--noprofile",
            "--norc",
            "-eo",
            "pipefail",
            "-c",
            COMMAND,
            stdout=asyncio.subprocess.DEVNULL,
        )
        await process.wait()
    return None


async def latency(run: Run, steps: int) -> float:
    """Median seconds of a run, one after the other."""
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await run(steps)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


async def rate(run: Run, steps: int) -> float:
    """Runs a second, many at once."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with places:
            await run(steps)

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(RUNS)))
    return RUNS / (time.perf_counter() - began)


async def measure(stack: Platform) -> None:
    address = f"127.0.0.1:{stack.temporal}"
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    runs = {"codeai": ours(client), "by hand": by_hand(client), "bash": by_bash}
    for run in runs.values():
        await run(1)
    for steps in (1, 5):
        found = {name: await latency(run, steps) for name, run in runs.items()}
        floor = found["by hand"]
        print(f"{steps}-exec deployment, median latency:")
        for name, seconds in found.items():
            print(f"  {name:10} {seconds * 1000:8.1f} ms   {seconds / floor:5.2f} x by hand")
    found = {name: await rate(run, 5) for name, run in runs.items() if name != "bash"}
    print(f"5-exec deployments, {AT_ONCE} at once:")
    for name, a_second in found.items():
        print(f"  {name:10} {a_second:8.1f} runs/s {a_second / found['by hand']:5.2f} x by hand")


def main() -> None:
    with platform() as stack, tempfile.TemporaryDirectory(prefix="codeai bench ") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with own_postgres(folder) as (port, password):
            worker = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.bench.handwritten"),
                    *(f"127.0.0.1:{stack.temporal}", str(port), password),
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            try:
                assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
                asyncio.run(measure(stack))
            finally:
                worker.terminate()
                worker.wait(20)


if __name__ == "__main__":
    main()
