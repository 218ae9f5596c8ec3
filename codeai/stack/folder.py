"""The data folder of a platform: `.codeai/`, its lock, what stands in it about the one that runs."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeai.stack.errors import StackError
from codeai.stack.processes import Process

NAME = ".codeai"


@dataclass(frozen=True, slots=True)
class Running:
    """The platform that runs on a folder, as `up.json` has it. `children` is name -> process id."""

    process: Process
    url: str
    temporal: str
    ui: str | None
    ready: bool
    children: Mapping[str, int]
    workspace_roots: tuple[Path, ...]
    sandboxed: bool


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Where a platform keeps everything, for its user's eyes only."""

    path: Path

    @classmethod
    def chosen(cls, given: Path | None, environment: Mapping[str, str]) -> DataFolder:
        """The folder that `--data-dir` or CODEAI_DATA_DIR names, else `.codeai` here."""
        path = given or Path(environment.get("CODEAI_DATA_DIR") or NAME)
        return cls(path.expanduser().absolute())

    def make(self) -> None:
        """Makes it, with mode 0700. Raises StackError where that is not possible or it is somebody else's."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.path.stat()
            if found.st_uid != os.geteuid():
                raise StackError(
                    f"{self.path} belongs to {_account_name(found.st_uid)}; choose another with --data-dir"
                )
            self.path.chmod(0o700)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            (self.path / ".gitignore").write_text("*\n")
        except OSError as problem:
            reason = problem.strerror or str(problem)
            raise StackError(
                f"cannot write to {self.path}: {reason}; choose another with --data-dir"
            ) from problem

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def temporal(self) -> Path:
        return self.path / "temporal.db"

    @property
    def workspaces(self) -> Path:
        return self.path / "workspaces"

    @property
    def worker_ready(self) -> Path:
        return self.path / "worker.ready"

    @property
    def jwt_secret(self) -> Path:
        return self.path / "jwt.secret"

    @property
    def seal_key(self) -> Path:
        return self.path / "seal.key"

    @property
    def signing_key(self) -> Path:
        return self.path / "approvals.key"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder: one `codeai up` at a time. Raises StackError where another has it."""
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StackError(f"CodeAI {self._who()}; stop it with: codeai down") from None
            yield
        finally:
            os.close(lock)

    def _who(self) -> str:
        running = self.running()
        if running is None:
            return f"is starting in {self.path} already"
        return f"runs in {self.path} already (pid {running.process.pid}, {running.url})"

    def make_jwt_secret(self) -> str:
        """The secret that this platform signs tokens with; made once."""
        with contextlib.suppress(FileNotFoundError):
            return self.jwt_secret.read_text().strip()
        secret = secrets.token_urlsafe(48)
        write_private(self.jwt_secret, secret + "\n")
        return secret

    def make_seal_key(self) -> str:
        """The private key that this platform opens secrets with; made once. Its public one is answered. Raises
        StackError where the file holds none."""
        from codeai.sealing import public_of

        return self._key(self.seal_key, public_of)

    def make_signing_key(self) -> str:
        """The private key that this platform's API signs decisions with; made once. Its public one is answered.
        Raises StackError where the file holds none."""
        from codeai.signing import public_of

        return self._key(self.signing_key, public_of)

    def _key(self, file: Path, public_of: Callable[[str], str]) -> str:
        from codeai.sealing import new_private

        if not file.exists():
            write_private(file, new_private() + "\n")
        first = file.read_text().partition("\n")[0]
        try:
            return public_of(first)
        except ValueError as problem:
            raise StackError(f"{file}: its first line {problem}: put the key in force there") from None

    def running(self) -> Running | None:
        """The platform that runs here now; None where none does."""
        noted = self.noted()
        process = Process(noted.get("pid", 0), noted.get("started", ""))
        if not process.alive:
            return None
        return Running(
            process,
            noted["url"],
            noted["temporal_address"],
            noted["ui_url"],
            noted["ready"],
            noted["children"],
            tuple(Path(root) for root in noted.get("workspace_roots", ())),
            noted.get("sandboxed", False),
        )

    def noted(self) -> dict[str, Any]:
        """What the last `up` wrote about itself; empty where there was none."""
        try:
            content = json.loads((self.path / "up.json").read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def note(self, content: Mapping[str, Any]) -> None:
        """Writes `up.json`."""
        write_private(self.path / "up.json", json.dumps(content, indent=2) + "\n")

    def forget(self) -> None:
        """Removes `up.json`: nothing runs here any more."""
        (self.path / "up.json").unlink(missing_ok=True)


def write_private(path: Path, content: str) -> None:
    """Replaces the file in one go, readable by its user only."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
