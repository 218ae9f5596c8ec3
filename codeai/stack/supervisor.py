"""Keeps children running: starts them, waits until they are ready, starts again what died, stops in order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from codeai.stack.errors import StackError
from codeai.stack.processes import Command, Process, spawn_options

PAUSES = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a child is started again: at once the first time, then ever later (★)."""
STEADY = 60.0
"""Seconds after which a child counts as running well again."""
PATIENCE_AT_START = 60.0
MOST_LOG = 10 << 20


@dataclass(slots=True)
class Child:
    """One child: what it is, when it is ready, how long it may take to stop."""

    command: Callable[[], Command]
    ready: Callable[[int], Awaitable[bool]]
    patience: float = 10.0
    before: Callable[[], None] = lambda: None
    """Tidies up what an earlier process of this child left."""
    process: asyncio.subprocess.Process | None = None
    watch: asyncio.Task[None] | None = None


class Supervisor:
    """The children of one `codeai up`. `tell` gets a line whenever one of them ends by itself; `changed` is
    called when a child has another process id."""

    def __init__(self, logs: Path, tell: Callable[[str], None], changed: Callable[[], None]) -> None:
        self._logs = logs
        self._tell = tell
        self._changed = changed
        self._children: dict[str, Child] = {}
        self._stopping = False

    def processes(self) -> dict[str, Process]:
        """Every child that lives, with its start time."""
        found = {}
        for name, child in self._children.items():
            if child.process is not None and (process := Process.of(child.process.pid)) is not None:
                found[name] = process
        return found

    async def start(self, name: str, child: Child) -> None:
        """Starts the child and waits until it is ready. Raises StackError where it ends before, or is not ready
        in a minute."""
        self._children[name] = child
        process = await self._spawn(name, child)
        if not await self._becomes_ready(child, process):
            why = (
                f"ended with {_ending(process)}" if process.returncode is not None else "is not ready in time"
            )
            raise StackError(f"{name} {why}: {self._last_line(name)} (all of it: {self._log(name)})")
        child.watch = asyncio.create_task(self._keep(name, child, process))

    async def stop(self, *names: str) -> None:
        """Stops these children together, each by its own signal, and kills what does not end in time."""
        self._stopping = True
        await asyncio.gather(*(self._stop(child) for name in names if (child := self._children.get(name))))

    def hurry(self) -> None:
        """Does not wait any longer for children to stop."""
        for child in self._children.values():
            if child.process is not None and child.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.process.kill()

    async def _stop(self, child: Child) -> None:
        if child.watch is not None:
            child.watch.cancel()
            await asyncio.gather(child.watch, return_exceptions=True)
        process = child.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(child.command().stop)
        try:
            await asyncio.wait_for(process.wait(), child.patience)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _keep(self, name: str, child: Child, process: asyncio.subprocess.Process) -> None:
        deaths = 0
        while True:
            since = time.monotonic()
            await process.wait()
            if self._stopping:
                return
            deaths = 1 if time.monotonic() - since > STEADY else deaths + 1
            pause = PAUSES[min(deaths, len(PAUSES)) - 1]
            soon = f"again in {pause:g} s" if pause else "started again"
            self._tell(f"{name} (pid {process.pid}) ended with {_ending(process)}; {soon}")
            await asyncio.sleep(pause)
            try:
                process = await self._spawn(name, child)
            except StackError as problem:
                self._tell(str(problem))

    async def _spawn(self, name: str, child: Child) -> asyncio.subprocess.Process:
        await asyncio.to_thread(child.before)
        command = child.command()
        with self._open_log(name) as log:
            try:
                child.process = await asyncio.create_subprocess_exec(
                    *command.argv, **spawn_options(command, log)
                )
            except OSError as problem:
                raise StackError(
                    f"{name} cannot be started: {command.argv[0]}: {problem.strerror}"
                ) from problem
        self._changed()
        return child.process

    async def _becomes_ready(self, child: Child, process: asyncio.subprocess.Process) -> bool:
        until = time.monotonic() + PATIENCE_AT_START
        while time.monotonic() < until and process.returncode is None:
            if await child.ready(process.pid):
                return True
            await asyncio.sleep(0.02)
        return False

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _open_log(self, name: str) -> BinaryIO:
        path = self._log(name)
        if path.exists() and path.stat().st_size > MOST_LOG:
            path.replace(path.with_suffix(".log.1"))
        return path.open("ab")

    def _last_line(self, name: str) -> str:
        with self._log(name).open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
            lines = log.read().decode("utf-8", "replace").split("\n")
        return _event(next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing"))


def _event(line: str) -> str:
    """What a log line says, without the form that it has."""
    try:
        content = json.loads(line)
    except ValueError:
        return line.removeprefix("codeai: ")
    return str(content.get("event") or content.get("msg") or line) if isinstance(content, dict) else line


def _ending(process: asyncio.subprocess.Process) -> str:
    code = process.returncode or 0
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
