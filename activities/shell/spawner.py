"""The worker's side of the fork server: starts it where nobody listens, and asks it for supervisors."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from array import array
from hashlib import sha256
from pathlib import Path

from codeai.activities.shell import formats

_START = 5.0  # how long a fork server may take to listen, seconds
_LONGEST_PATH = 100  # bytes of a socket's path that every system takes
_CODE = (
    "captured",
    "cgroups",
    "descendants",
    "forkserver",
    "formats",
    "masks",
    "supervisor",
)  # what it and supervisors run


class Spawner:
    """Asks for spawns in one spool. Keeps the fork server there as long as it is open."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._folder = os.open(spool, os.O_RDONLY | os.O_DIRECTORY)
        self._attended = os.open(spool / formats.ATTENDED, os.O_RDWR | os.O_CREAT, 0o600)
        self._open = [self._folder, self._attended]
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._starting = asyncio.Lock()
        self._server: subprocess.Popen[bytes] | None = None

    async def open(self) -> None:
        """Has a fork server listen that runs this worker's code. TimeoutError where none does within 5 s."""
        while not formats.lock(self._attended, shared=True):  # noqa: ASYNC110 - the fork server is just looking
            await asyncio.sleep(0.001)
        while not self._is_served():
            await self._retire()
            await self._start()

    async def ask(self, folder: str, slot: int, confided: bytes | None = None) -> None:
        """Asks for a supervisor of the attempt in `folder`, which gets the slot and is told what is confided.
        Nobody says that it came."""
        if confided is None:
            await self._ask(folder, [slot])
            return
        told = _nameless(confided)
        try:
            await self._ask(folder, [slot, told])
        finally:
            os.close(told)

    async def _ask(self, folder: str, descriptors: list[int]) -> None:
        while True:
            try:
                passed = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))
                # Not socket.send_fds: it takes an address and forgets it.
                self._socket.sendmsg([os.fsencode(folder)], [passed], 0, self._address())
                return
            except BlockingIOError:  # its queue is full
                await asyncio.sleep(0.002)
            except (ConnectionRefusedError, FileNotFoundError):
                await self._start()

    def close(self) -> None:
        """Lets go of the fork server; it ends by itself when no worker needs it."""
        self._socket.close()
        for descriptor in self._open:
            os.close(descriptor)
        self._open.clear()

    def _address(self) -> str:
        direct = str(self._spool / formats.LISTENER)
        if len(os.fsencode(direct)) <= _LONGEST_PATH:
            return direct
        return f"/proc/self/fd/{self._folder}/{formats.LISTENER}"

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as trial:
            try:
                trial.connect(self._address())
            except (ConnectionRefusedError, FileNotFoundError):
                return False
        return True

    def _noted(self) -> tuple[bytes, bytes]:
        """The process that serves, or served last, and its version."""
        pid, _, noted = (formats.read(str(self._spool / formats.LISTENER_LOCK)) or b"").partition(b" ")
        return pid, noted.strip()

    def _is_served(self) -> bool:
        return self._noted()[1] == version().encode() and self._listens()

    async def _retire(self) -> None:
        """Ends a fork server that was started before an upgrade, and those that workers of the old code start in its
        place meanwhile: they would start supervisors of the code that was. What they have started goes on."""
        lock = os.open(self._spool / formats.LISTENER_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while not formats.lock(lock):  # until it is gone, with what was sent to it
                pid, noted = self._noted()
                if noted == version().encode():
                    return
                if pid and noted:
                    self._kill(int(pid))
                await asyncio.sleep(0.001)
        finally:
            os.close(lock)

    def _kill(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            words = (formats.read(f"/proc/{pid}/cmdline") or b"").split(b"\0")
            if os.fsencode(self._spool) in words and any(_is_fork_server(word) for word in words):
                os.kill(pid, signal.SIGKILL)

    async def _start(self) -> None:
        async with self._starting:
            end = asyncio.get_running_loop().time() + _START
            while not self._listens():
                if self._server is None or self._server.poll() is not None:
                    self._launch()
                if asyncio.get_running_loop().time() > end:
                    log = self._spool / "forkserver.log"
                    raise TimeoutError(f"the fork server does not start; {log} may say why")
                await asyncio.sleep(0.005)

    def _launch(self) -> None:
        """A race with another worker is harmless: of two fork servers the second leaves."""
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        with (self._spool / "forkserver.log").open("ab") as log:
            self._server = subprocess.Popen(
                [
                    sys.executable,
                    "-S",
                    "-E",
                    str(Path(__file__).with_name("forkserver.py")),
                    str(self._spool),
                    version(),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=kept,
                start_new_session=True,
            )


def version() -> str:
    """Names the code of the fork server and its supervisors: another one where it was changed, or lies elsewhere."""
    folder = Path(__file__).parent
    code = sha256(f"{sys.executable} {folder}".encode())
    for name in _CODE:
        code.update((folder / f"{name}.py").read_bytes())
    return code.hexdigest()[:16]


def _is_fork_server(word: bytes) -> bool:
    return word.endswith(b"/forkserver.py")


def _nameless(data: bytes) -> int:
    """A file that holds `data` and has no name: in memory, where the system can do that."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("codeai")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    formats.write_all(descriptor, data)
    return descriptor
