"""A workspace from git: the repository whole, with its history, at one revision. Nothing that it holds is run."""

from __future__ import annotations

import errno
import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from codeai.activities.shell.errors import SeedError
from codeai.integration.guard import Guard
from codeai.integration.unanswered import Unanswered
from codeai.settings import OutboundSettings
from codeai.targets import IPAddress
from codeai.workflows.contracts.git_seeds import GitSeed, Place, place_of

PATIENCE = 600.0
"""How long git may take, seconds."""
PASSED = (
    "PATH",
    "HOME",
    "LANG",
    "SSH_AUTH_SOCK",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
"""What git is given of the worker's environment."""
FULL = "No space left on device"
"""What git says of a full disk, in English: then it is tried again."""
_LOOK = 0.05  # how often git is looked at, seconds
_WEIGH = 1.0  # how often what it has fetched is weighed, seconds
_COMMIT = re.compile(r"[0-9a-f]{4,64}")
_WHOLE_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Way:
    """How a repository is reached: the addresses that the guard has judged, or a proxy, which asks for them itself."""

    place: Place
    addresses: Sequence[IPAddress] = ()
    proxy: str | None = None


async def way_to(seed: GitSeed, settings: OutboundSettings) -> Way:
    """SeedError where the platform may not reach it."""
    place = place_of(seed.url)
    try:
        addresses = await Guard(settings.allow).addresses(place.host, place.port)
    except Unanswered as problem:
        raise SeedError(f"{seed.url} cannot be reached: {problem.reason}") from None
    return Way(place, addresses, settings.proxy if place.scheme == "https" else None)


def options(way: Way) -> list[str]:
    """What git is told before its command: no hook, no program of the repository's, no other place than this one."""
    set_ = {
        "protocol.allow": "never",
        f"protocol.{way.place.scheme}.allow": "always",
        "http.followRedirects": "false",  # where it leads to nobody would have judged
        "core.hooksPath": os.devnull,
        "core.fsmonitor": "false",
        "submodule.recurse": "false",
        "credential.helper": "",
    }
    if way.proxy is not None:
        set_["http.proxy"] = way.proxy
    elif way.place.scheme == "https" and way.addresses:  # git 2.37; an earlier one asks for the name again
        shown = ",".join(f"[{one}]" if one.version == 6 else str(one) for one in way.addresses)
        set_["http.curloptResolve"] = f"{way.place.host}:{way.place.port}:{shown}"
    return [word for name, value in set_.items() for word in ("-c", f"{name}={value}")]


def environment(way: Way, given: Mapping[str, str]) -> dict[str, str]:
    """Nothing of anybody's settings for git; ssh goes to the address that was judged, as to the host's name."""
    env = {name: given[name] for name in PASSED if name in given}
    env |= {
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    }
    if way.place.scheme == "ssh" and way.addresses:
        host, port = way.place.host, way.place.port
        set_ = {
            "BatchMode": "yes",
            "HostName": str(way.addresses[0]),
            "HostKeyAlias": host if port == 22 else f"[{host}]:{port}",
        }
        words = [word for name, value in set_.items() for word in ("-o", f"{name}={value}")]
        env |= {"GIT_SSH_COMMAND": shlex.join(["ssh", *words]), "GIT_SSH_VARIANT": "ssh"}
    return env


class Checkout:
    """One repository on its way into `work`. `stopped` is asked all the while."""

    def __init__(self, seed: GitSeed, way: Way, work: Path, limit: int, stopped: Callable[[], bool]) -> None:
        self._seed = seed
        self._git = ["git", *options(way)]
        self._environment = environment(way, os.environ)
        self._work = work
        self._limit = limit
        self._stopped = stopped

    def make(self) -> None:
        """SeedError for what cannot be fetched; InterruptedError when it was stopped."""
        self._run(
            "clone",
            "--quiet",
            "--no-checkout",
            "--no-recurse-submodules",
            "--template=",
            "--",
            self._seed.url,
            ".",
        )
        commit = self._commit()
        if commit is None:
            raise SeedError(f"{self._seed.url} has no branch, tag or commit {self._seed.revision!r}")
        self._run("checkout", "--quiet", "--detach", commit)

    def _commit(self) -> str | None:
        """The commit that the revision names: a tag, a branch, or the commit itself."""
        revision = self._seed.revision
        names = [f"refs/tags/{revision}", f"refs/remotes/origin/{revision}"]
        if _WHOLE_COMMIT.fullmatch(revision) and self._find(revision) is None:
            try:  # it may be there without a name
                self._run("fetch", "--quiet", "--no-recurse-submodules", "origin", revision)
            except SeedError:
                return None
        names += [revision] if _COMMIT.fullmatch(revision) else []
        return next((found for name in names if (found := self._find(name))), None)

    def _find(self, name: str) -> str | None:
        try:
            return self._run("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}").strip()
        except SeedError:
            return None

    def _run(self, *words: str) -> str:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                git = subprocess.Popen(
                    [*self._git, *words],
                    cwd=self._work,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise SeedError("a workspace from git needs git, which is not on this host") from None
            try:
                self._attend(git)
            finally:
                if git.poll() is None:
                    os.killpg(git.pid, signal.SIGKILL)
                    git.wait()
            if git.returncode:
                if FULL in _read(err):
                    raise OSError(errno.ENOSPC, FULL)
                raise SeedError(f"{self._seed.url} cannot be fetched into the workspace: {_said(_read(err))}")
            return _read(out)

    def _attend(self, git: subprocess.Popen[bytes]) -> None:
        until, weigh = time.monotonic() + PATIENCE, time.monotonic() + _WEIGH
        while True:
            try:
                git.wait(_LOOK)
            except subprocess.TimeoutExpired:
                pass
            now = time.monotonic()
            over = git.returncode is not None
            if self._stopped():
                raise InterruptedError("the worker stops")
            if over or now > weigh:
                if weight(self._work) > self._limit:
                    raise SeedError(f"{self._seed.url} holds more than 1 GiB: too much for a workspace")
                weigh = now + _WEIGH
            if over:
                return
            if now > until:
                raise SeedError(f"{self._seed.url} was not fetched within {PATIENCE / 60:.0f} min")


def weight(folder: Path) -> int:
    """The bytes of all files below a folder."""
    found = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            try:
                found += Path(parent, name).lstat().st_size
            except FileNotFoundError:  # git is at work
                continue
    return found


def _read(file: BinaryIO) -> str:
    file.seek(0)
    return file.read(1 << 20).decode("utf-8", "replace")


def _said(text: str) -> str:
    """Git's reason: the last line that is one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (fatal or lines or ["it said nothing"])[-1]
