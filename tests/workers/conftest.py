"""Workers as processes of their own, beside a Temporal and a Postgres that are real."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from temporalio.client import Client

from codeai.persistence.engine import Address
from codeai.persistence.roles import WORKER
from tests.dev_server import dev_server
from tests.platform import free_ports, wait_until
from tests.postgres import PASSWORD


@pytest.fixture(scope="session")
async def temporal() -> AsyncIterator[Client]:
    async with dev_server() as running:
        yield running.client


@dataclass(frozen=True)
class Running:
    """A worker's process, with its log and the file by which it says that it is ready."""

    process: subprocess.Popen[bytes]
    log: Path
    ready: Path

    def until_ready(self) -> None:
        def told() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return self.ready.exists()

        wait_until(told, 60, "the worker to be ready")
        assert int(self.ready.read_text()) == self.process.pid

    def until_it_says(self, words: str) -> None:
        wait_until(lambda: words in self.log.read_text(), 60, f"the worker to say {words!r}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends the signal and answers the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


Start = Callable[..., Running]


@pytest.fixture
def worker(address: Address, tmp_path: Path) -> Iterator[Start]:
    """Starts `codeai worker ROLE` (with options, if any) on the test's own database and root; all end with the
    test."""
    with contextlib.ExitStack() as ending:

        def start(role: str, server: str, **settings: str) -> Running:
            name = f"worker-{len(list(tmp_path.glob('*.log')))}"
            log, ready = tmp_path / f"{name}.log", tmp_path / f"{name}.ready"
            ours = {
                "TEMPORAL_ADDRESS": server,
                "DATABASE_HOST": address.host,
                "DATABASE_PORT": str(address.port),
                "DATABASE_NAME": address.name,
                "CODEAI_DATABASE_WORKER_USER": WORKER,
                "CODEAI_DATABASE_WORKER_PASSWORD": PASSWORD,
                "CODEAI_WORKER_ROOT": str(tmp_path / "a root"),
                "CODEAI_WORKER_READY_FILE": str(ready),
            }
            kept = {
                key: value
                for key, value in os.environ.items()
                if not key.startswith(("CODEAI_", "TEMPORAL_", "DATABASE_"))
            }
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, "-m", "codeai", "worker", *role.split()],
                    cwd=tmp_path,
                    env=kept | ours | settings,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            ending.callback(process.wait)
            ending.callback(process.kill)
            return Running(process, log, ready)

        yield start


@pytest.fixture
def nowhere() -> str:
    """An address at which nobody listens."""
    return f"127.0.0.1:{free_ports(1)[0]}"
