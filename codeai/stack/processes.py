"""Child processes: how one is started, how it ends with its parent, how a stale one is found and stopped."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a child runs as, where it may not be root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Command:
    """A child to start. `stop` ends it in an orderly way; the same signal reaches it when its parent dies."""

    name: str
    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(repr=False)
    stop: signal.Signals = signal.SIGTERM
    account: Account | None = None
    umask: int | None = None


def spawn_options(command: Command, output: IO[bytes] | int) -> dict[str, Any]:
    """The keyword arguments that start `command` by subprocess or asyncio, alike: in a session of its own, so
    that Ctrl-C reaches the parent only."""
    options: dict[str, Any] = {
        "cwd": command.cwd,
        "env": dict(command.env),
        "stdin": asyncio.subprocess.DEVNULL,
        "stdout": output,
        "stderr": asyncio.subprocess.STDOUT,
        "start_new_session": True,
    }
    if command.umask is not None:
        options["umask"] = command.umask
    if command.account is not None:
        options |= {"user": command.account.uid, "group": command.account.gid, "extra_groups": []}
    if sys.platform == "linux":
        options["preexec_fn"] = _die_with(os.getpid(), command.stop)
    return options


def _die_with(parent: int, stop: signal.Signals) -> Callable[[], None]:
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def in_child() -> None:
        prctl(PR_SET_PDEATHSIG, int(stop))
        if os.getppid() != parent:  # it died before we asked to be told
            os._exit(1)

    return in_child


@dataclass(frozen=True, slots=True)
class Process:
    """A process that outlives our knowledge of it: a pid may be used again, pid and start time may not."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The living process `pid`; None where there is none (a zombie is none)."""
        started = _start_time(pid)
        return None if started is None else cls(pid, started)

    @property
    def alive(self) -> bool:
        return _start_time(self.pid) == self.started

    def stop(self, signals: tuple[tuple[signal.Signals, float], ...]) -> bool:
        """Sends each signal and waits its seconds until the process is gone. Answers whether it is."""
        for number, patience in signals:
            until = time.monotonic() + patience
            if not self.alive:
                return True
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return True
            while self.alive and time.monotonic() < until:
                time.sleep(0.02)
        return not self.alive


def _start_time(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return _start_time_by_ps(pid) if not Path("/proc/self/stat").exists() else None
    except OSError:
        return None
    # The command's name, in parentheses, may hold spaces and parentheses itself.
    after_name = stat[stat.rindex(")") + 2 :].split()
    return None if after_name[0] in "ZX" else after_name[19]


def _start_time_by_ps(pid: int) -> str | None:
    import subprocess

    found = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, started = found.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()
