"""`codeai up`: the whole platform on this machine, from the first child to the last one stopped."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import getpass
import os
import shlex
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeai.settings import ROWS, Settings
from codeai.stack import parts, tokens
from codeai.stack.banner import WORKER_SETTINGS, commands_under_way, go_on
from codeai.stack.credentials import Credentials
from codeai.stack.errors import StackError
from codeai.stack.folder import DataFolder, Running, write_private
from codeai.stack.parts import Environments, Passwords, Ports
from codeai.stack.pinned import take_over_later
from codeai.stack.postgres import Cluster
from codeai.stack.processes import Process
from codeai.stack.supervisor import Child, Supervisor
from codeai.stack.temporal import DevServer, find_binary

RENEW = 6 * 3600.0
"""Seconds after which the command line's token is made anew; it lasts twice as long."""
STALE = ((signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0))
"""How a child is ended that a killed `up` left behind. Shell commands survive it: the next worker adopts them."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `codeai up` was asked for; port 0 is a free one."""

    port: int = 8080
    temporal_port: int = 7233
    ui_port: int = 8233
    postgres_port: int = 0
    worker: bool = True
    external: frozenset[str] = frozenset()
    config: Path | None = None


SETTING_NAMES = frozenset(
    name
    for row in ROWS
    for plain in row.names
    for name in (plain, *([f"{plain}_FILE"] if row.from_file else []))
)


class Up:
    """One platform, from its start to its end. `tell` gets lines for the person at the terminal, `show` the platform
    when it is ready."""

    def __init__(
        self,
        folder: DataFolder,
        wanted: Wanted,
        settings: Settings,
        tell: Callable[[str], None],
        show: Callable[[Running], None],
    ) -> None:
        self._folder = folder
        self._wanted = wanted
        self._settings = settings
        self._tell = tell
        self._show = show
        self._ready = False
        self._supervisor = Supervisor(folder.logs, tell, self._note)
        self._ports = Ports(0, 0, 0, 0)
        self._umask = 0o022
        self._workspace_roots: tuple[Path, ...] = ()

    def run(self) -> None:
        """Starts everything, says where it is, waits for SIGINT or SIGTERM and stops everything.

        Raises StackError where something cannot be started; nothing is left running then.
        """
        self._folder.make()
        # The worker's commands get the user's own; everything of ours is private.
        self._umask = os.umask(0o077)
        with self._folder.locked():
            self._stop_stale()
            self._ports = self._free_ports()
            try:
                asyncio.run(self._serve())
            finally:
                self._folder.forget()
                os.umask(self._umask)

    async def _serve(self) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def asked() -> None:
            if stop.is_set():
                self._supervisor.hurry()
            stop.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, asked)
        try:
            if not await _unless(stop, self._start()):
                return
            async with self._logged_in(), self._taking_over():
                self._ready = True
                self._note()
                running = self._folder.running()
                if running is not None:
                    self._show(running)
                await stop.wait()
        finally:
            self._ready = False
            await self._stop()

    async def _start(self) -> None:
        environments = Environments(
            self._folder,
            self._settings,
            self._ports,
            Passwords(),
            own_postgres="postgres" not in self._wanted.external,
            own_temporal="temporal" not in self._wanted.external,
        )
        self._workspace_roots = environments.workspace_roots
        self._folder.make_jwt_secret()
        self._folder.make_seal_key()
        self._folder.make_signing_key()
        self._note()
        await _together(
            self._start_database(environments),
            *([self._start_temporal()] if environments.own_temporal else []),
        )
        await _together(
            self._start_api(environments),
            *([self._start_worker(environments)] if self._wanted.worker else []),
        )
        if not self._wanted.worker:
            self._leave_worker_settings(environments)

    async def _start_database(self, environments: Environments) -> None:
        if environments.own_postgres:
            cluster = Cluster.at(self._folder.postgres)
            password = environments.passwords.owner
            await asyncio.to_thread(cluster.prepare, password)
            postgres = Child(
                command=lambda: cluster.command(self._ports.postgres),
                ready=_at_once(cluster.ready),
                before=cluster.stop_stale,
            )
            await self._supervisor.start("postgres", postgres)
            await cluster.make_database(environments.database, self._ports.postgres, password)
        await _migrate(environments, self._config)

    async def _start_temporal(self) -> None:
        server = self._dev_server()

        async def ready(_: int) -> bool:
            return await asyncio.to_thread(server.answers)

        await self._supervisor.start("temporal", Child(command=server.command, ready=ready))
        await asyncio.to_thread(server.set_retention)

    def _dev_server(self) -> DevServer:
        return DevServer(find_binary(), self._folder.temporal, self._ports.temporal, self._ports.ui)

    async def _start_api(self, environments: Environments) -> None:
        command = parts.codeai("api", ("serve", *self._config), environments.api())

        async def ready(_: int) -> bool:
            return await parts.http_ok(self._ports.api, "/health/live")

        await self._supervisor.start("api", Child(command=lambda: command, ready=ready))

    async def _start_worker(self, environments: Environments) -> None:
        command = parts.codeai("worker", ("worker", "all", *self._config), environments.worker(), self._umask)
        ready_file = self._folder.worker_ready
        patience = self._settings.worker.drain_timeout + 5

        async def ready(pid: int) -> bool:
            with contextlib.suppress(OSError):
                return ready_file.read_text().strip() == str(pid)
            return False

        await self._supervisor.start("worker", Child(command=lambda: command, ready=ready, patience=patience))

    def _leave_worker_settings(self, environments: Environments) -> None:
        given = environments.worker()
        lines = [
            f"export {name}={shlex.quote(value)}" for name, value in given.items() if name in SETTING_NAMES
        ]
        write_private(self._folder.path / WORKER_SETTINGS, "\n".join(lines) + "\n")

    async def _stop(self) -> None:
        for name in ("api", "worker", "temporal", "postgres"):
            await self._supervisor.stop(name)
        running = await asyncio.to_thread(commands_under_way, self._folder)
        if running:
            self._tell(go_on(running))

    @contextlib.asynccontextmanager
    async def _taking_over(self) -> AsyncIterator[None]:
        """Runs of builds that are gone go on with the workers of this one."""
        if not self._wanted.worker or "temporal" in self._wanted.external:
            yield
            return
        taking = asyncio.create_task(take_over_later(self._dev_server(), self._tell))
        try:
            yield
        finally:
            taking.cancel()

    @contextlib.asynccontextmanager
    async def _logged_in(self) -> AsyncIterator[None]:
        """Keeps the user's command line logged in, as administrator; it is when this begins."""
        jwt = self._settings.jwt
        if jwt.public_key or jwt.jwks_url:
            self._tell("tokens are the issuer's: set CODEAI_TOKEN to one of them for the command line")
            yield
            return
        self._log_in()
        renewing = asyncio.create_task(self._stay_logged_in())
        try:
            yield
        finally:
            renewing.cancel()

    async def _stay_logged_in(self) -> None:
        while True:
            await asyncio.sleep(RENEW)
            self._log_in()

    def _log_in(self) -> None:
        jwt, credentials = self._settings.jwt, Credentials.of(os.environ)
        token = tokens.sign(
            jwt.secret or self._folder.make_jwt_secret(),
            subject=getpass.getuser(),
            roles=["admin"],
            issuer=jwt.issuer or tokens.ISSUER,
            audience=jwt.audience or tokens.AUDIENCE,
        )
        try:
            credentials.keep(self._url, token, self._folder.path)
        except OSError as problem:
            self._tell(f"the command line is not logged in: {credentials.path}: {problem.strerror}")

    @property
    def _config(self) -> tuple[str, ...]:
        return () if self._wanted.config is None else ("--config", str(self._wanted.config))

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._ports.api}"

    def _note(self) -> None:
        children = self._supervisor.processes()
        me = Process.of(os.getpid())
        own_temporal = "temporal" not in self._wanted.external
        self._folder.note(
            {
                "pid": os.getpid(),
                "started": me.started if me else "",
                "ready": self._ready,
                "url": self._url,
                "api_port": self._ports.api,
                "temporal_address": (
                    f"127.0.0.1:{self._ports.temporal}" if own_temporal else self._settings.temporal.address
                ),
                "ui_url": f"http://127.0.0.1:{self._ports.ui}" if own_temporal else None,
                "postgres": {"port": self._ports.postgres},
                "children": {name: process.pid for name, process in children.items()},
                "sandboxed": self._settings.worker.sandbox != "off",
                "workspace_roots": [str(root.resolve()) for root in self._workspace_roots],
                "children_started": {name: process.started for name, process in children.items()},
            }
        )

    def _stop_stale(self) -> None:
        """Ends what an `up` that was killed left behind; Postgres is seen to by its cluster."""
        noted = self._folder.noted()
        started = noted.get("children_started", {})
        for name, pid in noted.get("children", {}).items():
            stale = Process(pid, started.get(name, ""))
            if name != "postgres" and not stale.stop(STALE):
                raise StackError(f"{name} (pid {pid}) of an earlier `codeai up` does not end; end it first")

    def _free_ports(self) -> Ports:
        """The ports to use. Raises StackError for one that is taken."""
        own = {"postgres", "temporal"} - self._wanted.external
        host = self._settings.server.host
        with contextlib.ExitStack() as held:
            api = held.enter_context(_reserved(host, self._wanted.port, "--port"))
            temporal_port = ui = postgres = 0
            if "temporal" in own:
                temporal_port = held.enter_context(
                    _reserved("127.0.0.1", self._wanted.temporal_port, "--temporal-port")
                )
                ui = held.enter_context(_reserved("127.0.0.1", self._wanted.ui_port, "--ui-port"))
            if "postgres" in own:
                postgres = held.enter_context(
                    _reserved("127.0.0.1", self._wanted.postgres_port, "--postgres-port")
                )
            return Ports(api, temporal_port, ui, postgres)


async def _migrate(environments: Environments, config: tuple[str, ...]) -> None:
    command = parts.codeai("migrate", ("migrate", "up", *config), environments.migrate())
    process = await asyncio.create_subprocess_exec(
        *command.argv,
        env=dict(command.env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        lines = said.decode("utf-8", "replace").strip() or "it said nothing"
        raise StackError(f"the database cannot be migrated: {lines.removeprefix('codeai: ')}")


async def _together(*work: Coroutine[Any, Any, None]) -> None:
    """Does all of it at once; the first problem ends the rest."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except BaseExceptionGroup as problems:
        raise problems.exceptions[0] from None


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Whether the work was done before `stop` was set; if not, it is called off."""
    doing, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not doing.done():
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)
        return False
    doing.result()
    return True


def _at_once(ready: Callable[[int], bool]) -> Callable[[int], Awaitable[bool]]:
    async def asked(pid: int) -> bool:
        return ready(pid)

    return asked


@contextlib.contextmanager
def _reserved(host: str, port: int, flag: str) -> Iterator[int]:
    """A port that is free, held while the others are chosen."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as problem:
            why = "is in use" if problem.errno == errno.EADDRINUSE else f"cannot be used ({problem.strerror})"
            raise StackError(f"port {port} of {host} {why}; choose another with {flag}") from None
        yield probe.getsockname()[1]
