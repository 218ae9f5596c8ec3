"""One command under its supervisor, without Temporal: what tests of the runner ask for."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from codeai.activities.shell import commands, formats
from codeai.activities.shell.output import Chunker
from codeai.activities.shell.settings import ShellSettings
from codeai.activities.shell.slots import Slots
from codeai.activities.shell.spawner import Spawner
from codeai.activities.shell.spool import Absent, Attempt, Running, Spool
from codeai.workflows.contracts.shell import CommandResult
from tests.activities.shell.rig import step

works = pytest.mark.skipif(shutil.which("bwrap") is None, reason="there is no bubblewrap here")


class Bench:
    """A spool with its fork server, and a workspace."""

    def __init__(self, folder: Path) -> None:
        self.spool = Spool.open(folder / "spool")
        self.spawner = Spawner(self.spool.path)
        self.slots = Slots(self.spool.path / "slots", 4)
        self.work = folder / "work"
        self.work.mkdir()

    def prepare(self, text: str, settings: ShellSettings | None = None, **more: Any) -> Run:
        given = step(text, **more)
        attempt = self.spool.attempt(given)
        attempt.write_input(given)
        spec = commands.spec(given, self.work, attempt, settings or ShellSettings())
        attempt.prepare(spec, given.text, given.files)
        return Run(attempt, given)

    async def begin(
        self,
        text: str,
        settings: ShellSettings | None = None,
        confided: formats.Confided | None = None,
        **more: Any,
    ) -> Run:
        run = self.prepare(text, settings, **more)
        attempt = run.attempt
        slot = await self.slots.take("run")
        await self.spawner.ask(str(attempt.folder), slot, confided.encode() if confided else None)
        os.close(slot)
        while isinstance(attempt.look(), Absent):
            await asyncio.sleep(0.002)
        return run

    async def run(self, text: str, **more: Any) -> CommandResult:
        return await (await self.begin(text, **more)).result()


class Run:
    def __init__(self, attempt: Attempt, given: Any) -> None:
        self.attempt = attempt
        self.given = given

    async def result(self) -> CommandResult:
        while isinstance(look := self.attempt.look(), Running):
            await asyncio.sleep(0.002)
        assert not isinstance(look, Absent)
        return commands.result(self.given, look)

    async def prints(self, text: str) -> None:
        """Waits until the output's log holds `text`."""
        while text not in self.log():
            await asyncio.sleep(0.01)

    def log(self) -> str:
        frames, _ = self.attempt.output(0)
        return "".join(chunk.text for chunk in Chunker("step", 1, 0).chunks(frames))

    def pid(self, word: str = "command") -> int:
        lines = (self.attempt.folder / formats.ENTRY).read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(word))


async def gone(pid: int) -> None:
    """Waits until the process has ended, buried or not."""
    stat = Path(f"/proc/{pid}/stat")
    async with asyncio.timeout(10):
        while stat.exists() and ") Z " not in stat.read_text():
            await asyncio.sleep(0.01)
