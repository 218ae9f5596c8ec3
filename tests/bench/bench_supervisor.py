"""How long a command takes from the asking to its answer: by the fork server, bare, and by a fresh Python.

`python -m tests.bench.bench_supervisor` prints milliseconds and ratios to the bare one.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from codeai.activities.shell import commands, forkserver, formats
from codeai.activities.shell.settings import ShellSettings
from codeai.activities.shell.slots import Slots
from codeai.activities.shell.spawner import Spawner
from codeai.activities.shell.spool import Attempt, Ended, Spool
from tests.activities.shell.rig import step

ROUNDS = 100
FRESH = """
import sys; sys.path.append(sys.argv[1])
from codeai.activities.shell.supervisor import supervise
supervise(sys.argv[2], [])
"""


class Bench:
    def __init__(self, folder: Path) -> None:
        self.spool = Spool.open(folder / "spool")
        self.spawner = Spawner(self.spool.path)
        self.slots = Slots(self.spool.path / "slots", 4)
        self.work = folder

    def prepared(self) -> Attempt:
        given = step("true")
        attempt = self.spool.attempt(given)
        attempt.write_input(given)
        attempt.prepare(commands.spec(given, self.work, attempt, ShellSettings()), given.text, {})
        return attempt

    async def bare(self) -> None:
        shell = await asyncio.create_subprocess_exec(
            "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", "true"
        )
        await shell.wait()

    async def forked(self) -> None:
        attempt = self.prepared()
        slot = await self.slots.take("run")
        await self.spawner.ask(str(attempt.folder), slot)
        os.close(slot)
        await ended(attempt)

    async def fresh(self) -> None:
        attempt = self.prepared()
        root = str(Path(forkserver.__file__).parents[3])
        subprocess.Popen([sys.executable, "-S", "-E", "-c", FRESH, root, str(attempt.folder)])
        await ended(attempt)


async def ended(attempt: Attempt) -> None:
    """Waits as the attendant does: for the supervisor to hang up."""
    fifo = os.open(attempt.folder / formats.ALIVE, os.O_RDONLY | os.O_NONBLOCK)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hear() -> None:
        if not os.read(fifo, 65536):
            loop.remove_reader(fifo)
            over.set()

    loop.add_reader(fifo, hear)
    try:
        while not isinstance(attempt.look(), Ended):
            try:
                await asyncio.wait_for(over.wait(), 0.05)
            except TimeoutError:
                continue
    finally:
        loop.remove_reader(fifo)
        os.close(fifo)


async def median(run: Callable[[], Awaitable[None]]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await run()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


async def measure() -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        await bench.spawner.open()
        bare = await median(bench.bare)
        for name, run in (
            ("bare subprocess", bench.bare),
            ("fork server", bench.forked),
            ("fresh Python", bench.fresh),
        ):
            took = await median(run)
            print(f"{name:16} {took * 1000:7.2f} ms  {took / bare:5.1f} x")
        bench.spawner.close()


def main() -> None:
    asyncio.run(measure())


if __name__ == "__main__":
    main()
