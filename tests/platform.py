"""A whole platform of its own, by the installed command: for end-to-end tests, conformance, soaks and benchmarks."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

CODEAI = Path(sys.executable).with_name("codeai")


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on. Not of those that the system gives to outgoing connections (from 32768 on): between this
    look and its use, a port of those may be another test's."""
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        while len(ports) < count:
            port, one = random.randrange(10_000, 32_000), held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                one.bind(("127.0.0.1", port))
                ports.append(port)
    return ports


def wait_until(true: Callable[[], Any], seconds: float, what: str) -> Any:
    """Asks until the answer is true; fails with `what` was waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := true():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")


class Platform:
    """`codeai up` in a folder of its own. Everything it started ends with `close`."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.data = folder / ".codeai"
        self.api, self.temporal, self.ui = free_ports(3)
        self.url = f"http://127.0.0.1:{self.api}"
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("CODEAI_", "TEMPORAL_"))
        }
        self.environment = kept | {
            "CODEAI_DATA_DIR": str(self.data),
            "XDG_CONFIG_HOME": str(folder / "config"),
            **settings,
        }

    def up(self, *words: str) -> Platform:
        ports = ["--port", str(self.api), "--temporal-port", str(self.temporal), "--ui-port", str(self.ui)]
        done = self.command("up", "--detach", *ports, *words, timeout=90)
        if done.returncode:
            raise AssertionError(f"codeai up: {done.stdout}{done.stderr}{self.logs()}")
        return self

    def worker(self, *words: str, by: Sequence[str | Path] = (CODEAI,)) -> subprocess.Popen[bytes]:
        """A worker of our own (`all` where nothing else is said) beside `codeai up --no-worker`, which would wait ever
        longer for one that is killed again and again. Ready when it is returned."""
        script = '. "$1/worker.env" && shift && exec "$@"'
        with (self.data / "logs" / "own-worker.log").open("ab") as log:
            started = subprocess.Popen(
                ["sh", "-c", script, "sh", self.data, *by, "worker", *(words or ("all",))],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        ready = self.data / "worker.ready"
        wait_until(lambda: ready.exists() and ready.read_text() == str(started.pid), 60, "our own worker")
        return started

    def close(self) -> None:
        self.command("down", "--kill", timeout=90)

    def command(
        self, *words: str, timeout: float = 120, data: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CODEAI, *words],
            cwd=self.folder,
            env=self.environment,
            text=True,
            capture_output=True,
            input=data if data is not None else "",
            timeout=timeout,
            check=False,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [CODEAI, *words],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def run(self, program: str, *words: str, timeout: float = 120) -> dict[str, Any]:
        """What `codeai run --output json` prints for a program's text."""
        path = self.write(f"program-{time.monotonic_ns()}.cai", program)
        done = self.command(
            "run", str(path), "--workspace", "none", "--output", "json", *words, timeout=timeout
        )
        try:
            answer: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            raise AssertionError(f"no JSON ({done.returncode}): {done.stdout}{done.stderr}") from None
        return answer

    def detach(self, program: str, *words: str) -> str:
        """Starts a program and answers its execution's id."""
        path = self.write(f"program-{time.monotonic_ns()}.cai", program)
        done = self.command("run", str(path), "--workspace", "none", "--detach", *words)
        if done.returncode:
            raise AssertionError(f"codeai run --detach: {done.stdout}{done.stderr}")
        return done.stdout.split()[-1]

    def child(self, name: str) -> int:
        """The process id of a child of `codeai up`."""

        def noted() -> int | None:
            children: dict[str, int] = json.loads((self.data / "up.json").read_text())["children"]
            return children.get(name)

        return int(wait_until(noted, 60, f"{name} to be running"))

    def database(self, role: str) -> str:
        """How the database is reached as `worker` or `api`: as that child of `codeai up` does."""
        told = Path(f"/proc/{self.child(role)}/environ").read_bytes().decode().split("\0")
        env = dict(pair.split("=", 1) for pair in told if "=" in pair)
        user, password = (env[f"CODEAI_DATABASE_{role.upper()}_{what}"] for what in ("USER", "PASSWORD"))
        return f"postgresql://{user}:{password}@127.0.0.1:{env['DATABASE_PORT']}/{env['DATABASE_NAME']}"

    def kill(self, name: str) -> int:
        """SIGKILL to a child; `codeai up` starts another."""
        pid = self.child(name)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return pid

    @functools.cached_property
    def token(self) -> str:
        """An administrator's."""
        done = self.command("token", "create", "--role", "admin")
        return done.stdout.split()[-1]

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        token: str | None = None,
    ) -> tuple[int, dict[str, str], Any]:
        """One request to the API: status, headers, decoded body."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        asked = Request(self.url + path, data, headers or {}, method=method)
        if data is not None:
            asked.add_header("Content-Type", "application/json")
        if token:
            asked.add_header("Authorization", f"Bearer {token}")
        try:
            with urlopen(asked, timeout=70) as answer:
                return answer.status, dict(answer.headers), _decoded(answer.read())
        except HTTPError as error:
            return error.code, dict(error.headers), _decoded(error.read())

    def ended(self, id: str, token: str, seconds: float = 120) -> dict[str, Any]:
        """The execution when it has ended."""

        def asked() -> dict[str, Any] | None:
            status, _, body = self.request("GET", f"/executions/{id}", token=token)
            over = status == 200 and body["status"] in ("complete", "failed", "cancelled")
            return body if over else None

        found: dict[str, Any] = wait_until(asked, seconds, f"the end of execution {id}")
        return found

    def logs(self) -> str:
        """The last lines of every log file of the platform."""
        found = []
        for path in sorted((self.data / "logs").glob("*")):
            lines = path.read_text(errors="replace").splitlines()[-15:]
            found += [f"--- {path.name}", *lines]
        return "\n".join(["", *found])


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data) if data else None
    except ValueError:
        return data.decode("utf-8", "replace")


@contextlib.contextmanager
def platform(*words: str, **settings: str) -> Iterator[Platform]:
    """A platform for the length of a block."""
    folder = Path(tempfile.mkdtemp(prefix="codeai platform "))
    made = Platform(folder, **settings)
    try:
        yield made.up(*words)
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)
