"""The API's requests a second as a part of a bare route's, and its starts as a part of Temporal's own, in one run.

The API is served as `codeai up` serves it: it checks the token of every request, logs and counts it; the bare routes do
nothing of that. Both are asked in turns by one client; while the machine has something else to do, it says little.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from codeai.workflows.contracts.attributes import at_start
from codeai.workflows.contracts.executions import ExecuteInput
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT, TASK_TIMEOUT
from tests.platform import Platform, free_ports, platform, wait_until

AT_ONCE = 8
SECONDS = 3.0
ROUNDS = 3

Ask = Callable[[], Awaitable[None]]


class Caller:
    """One connection that is kept, and as little as possible besides."""

    def __init__(self, port: int, method: str, path: str, token: str, body: bytes = b"") -> None:
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.port = port
        self.request = head.encode() + body
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self) -> None:
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        writer.write(self.request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.split(b" ", 2)[1] in (b"200", b"202"), head
        size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(size)


async def a_second(asks: list[Ask]) -> float:
    """How often all of them together were answered in a second."""
    until = time.monotonic() + SECONDS

    async def again(ask: Ask) -> int:
        count = 0
        while time.monotonic() < until:
            await ask()
            count += 1
        return count

    began = time.monotonic()
    return sum(await asyncio.gather(*map(again, asks))) / (time.monotonic() - began)


@contextmanager
def bare(running: Platform) -> Iterator[int]:
    """The bare routes in a process of their own, on the platform's database: its port."""
    (port,) = free_ports(1)
    told = Path(f"/proc/{running.child('api')}/environ").read_bytes().decode().split("\0")
    environment = dict(line.partition("=")[::2] for line in told if line)
    words = ["-m", "uvicorn", "tests.bench.bare_api:app", "--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen([sys.executable, *words, "--no-access-log"], env=os.environ | environment)
    try:

        def answers() -> bool:
            try:
                asyncio.run(Caller(port, "GET", "/executions", "none").ask())
            except OSError:
                return False
            return True

        wait_until(answers, 30, "the bare routes")
        yield port
    finally:
        process.terminate()
        process.wait()


async def best(make: Callable[[], list[Ask]], floor: Callable[[], list[Ask]]) -> tuple[float, float]:
    """The best of a few rounds of each, in turns: what else the machine does must not decide."""
    figures = [(await a_second(make()), await a_second(floor())) for _ in range(ROUNDS)]
    return max(one for one, _ in figures), max(one for _, one in figures)


def told(name: str, figures: tuple[float, float], least: float) -> None:
    ours, floor = figures
    print(f"{name:34} {ours:7.0f} a second, bare {floor:7.0f}: {ours / floor:5.0%} (at least {least:.0%})")


def main() -> None:
    with platform("--no-worker", CODEAI_API_RATE="off", LOG_LEVEL="info") as running:
        worker = running.worker()
        token = running.token
        body = {"name": "bench", "content": "return 1\n"}
        _, _, config = running.request("POST", "/configs", body, token=token)
        _, _, made = running.request(
            "POST", "/deployments", {"name": "bench", "config_id": config["id"]}, token=token
        )
        ids = [
            running.request("POST", "/executions", {"program": "return 1\n"}, token=token)[2]["id"]
            for _ in range(30)
        ]
        for id in ids:
            running.ended(id, token)
        worker.terminate()
        worker.wait()
        with bare(running) as floor:
            for name, path in (
                ("GET /executions/{id}", f"/executions/{ids[0]}"),
                ("GET /executions", "/executions"),
            ):

                def ask(port: int, path: str = path) -> list[Ask]:
                    return [Caller(port, "GET", path, token).ask for _ in range(AT_ONCE)]

                told(
                    name, asyncio.run(best(lambda ask=ask: ask(running.api), lambda ask=ask: ask(floor))), 0.6
                )
        told("POST /deployments/{id}/execute", asyncio.run(starts(running, made["id"], token)), 0.8)


async def starts(running: Platform, deployment: str, token: str) -> tuple[float, float]:
    client = await Client.connect(f"127.0.0.1:{running.temporal}", data_converter=pydantic_data_converter)

    async def start() -> None:
        id = str(uuid.uuid4())
        await client.start_workflow(
            EXECUTE_DEPLOYMENT.type,
            ExecuteInput(deployment=deployment, execution=id),
            id=EXECUTE_DEPLOYMENT.workflow_id(id),
            search_attributes=at_start(EXECUTE_DEPLOYMENT.type, f"execution/{id}", None),
            task_queue=EXECUTE_DEPLOYMENT.queue,
            task_timeout=TASK_TIMEOUT,
        )

    path = f"/deployments/{deployment}/execute"
    return await best(
        lambda: [Caller(running.api, "POST", path, token, b"{}").ask for _ in range(AT_ONCE)],
        lambda: [start] * AT_ONCE,
    )


if __name__ == "__main__":
    main()
