"""The folder that a run's commands share: seeded once, before the first of them."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import stat
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from codeai.activities.shell.errors import FOR_WANT_OF_ROOM, SeedError
from codeai.activities.shell.git_seeds import Checkout, Way, way_to
from codeai.activities.shell.removal import remove_tree
from codeai.settings import OutboundSettings
from codeai.workflows.contracts.file_seeds import check_paths
from codeai.workflows.contracts.shell import WorkspaceSeed

LIMIT = 1 << 30
"""Most bytes of a copied folder."""
SEEDED_AT_ONCE = 16
"""Workspaces that are fetched or copied at a time; others of their kind wait."""
_ABANDONED = 86_400.0  # after which nobody makes or removes it any more, seconds
_LISTING = 60.0  # how long `git ls-files` may take, seconds


class Workspaces:
    """The workspaces of a host: `<folder>/<execution>/work`. What is named `<execution>` is complete: it is
    made beside and then renamed (never onto another one, as a rename replaces no folder that holds
    something)."""

    def __init__(
        self,
        folder: Path,
        roots: Sequence[Path],
        private: Sequence[Path],
        outbound: OutboundSettings | None = None,
    ) -> None:
        """`roots`: where folders may be copied from. `private`: never copied, wherever they lie. `outbound`: where
        repositories may be fetched from."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._roots = [root.resolve() for root in roots]
        self._private = {path.resolve() for path in private}
        self._outbound = outbound or OutboundSettings()
        self._seeding: dict[str, asyncio.Task[None]] = {}
        self._closing = threading.Event()
        # Of their own: what the worker does meanwhile, also ending a command, shares a few others.
        self._slow = ThreadPoolExecutor(SEEDED_AT_ONCE, thread_name_prefix="seeding")

    async def of(self, name: str, seed: WorkspaceSeed | None) -> Path:
        """The workspace of that name (the execution's id, with more where a run has several here), seeded where there
        is none yet. SeedError where it cannot be."""
        place = self._folder / name
        if not place.is_dir():
            task = self._seeding.get(name)
            if task is None:
                task = asyncio.create_task(self._seed(place, seed))
                self._seeding[name] = task
                task.add_done_callback(lambda _: self._seeding.pop(name))
            await asyncio.shield(task)  # others may wait for the same one
        work = place / "work"
        if not work.is_dir():
            raise SeedError("the run's workspace is gone: one of its commands has removed it")
        return work

    def held(self, after: str = "") -> list[str]:
        """The executions whose workspaces are here, in order, behind `after`."""
        return sorted(id for id in {_execution_of(place) for place in self._folder.iterdir()} if id > after)

    def remove(self, execution: str) -> None:
        """Removes the workspaces of a run that has ended, each by a rename first."""
        for place in self._folder.iterdir():
            if not execution or _execution_of(place) != execution:
                continue
            away = self._folder / f".{uuid.uuid4()}"
            try:
                place.rename(away)
            except FileNotFoundError:
                continue
            remove_tree(away)

    def tidy(self) -> None:
        """Removes what a worker left behind that died while it made or removed a workspace."""
        for place in self._folder.glob(".*"):
            if time.time() - place.lstat().st_mtime > _ABANDONED:
                remove_tree(place)

    def close(self) -> None:
        """Lets go of what is being seeded; it begins anew when it is asked for again."""
        self._closing.set()

    async def _seed(self, place: Path, seed: WorkspaceSeed | None) -> None:
        way = await way_to(seed.git, self._outbound) if seed and seed.git else None
        takes_long = seed is not None and (seed.git is not None or seed.folder is not None)
        threads = self._slow if takes_long else None
        await asyncio.get_running_loop().run_in_executor(threads, self._make, place, seed, way)

    def _make(self, place: Path, seed: WorkspaceSeed | None, way: Way | None) -> None:
        new = self._folder / f".{uuid.uuid4()}"
        work = new / "work"
        work.mkdir(mode=0o700, parents=True)
        new.chmod(0o700)
        try:
            if seed is not None:
                self._sow(work, seed, way)
            new.rename(place)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _sow(self, work: Path, seed: WorkspaceSeed, way: Way | None) -> None:
        if seed.git is not None and way is not None:
            Checkout(seed.git, way, work, LIMIT, self._closing.is_set).make()
        if seed.folder is not None:
            self._copy(self._allowed(seed.folder), work)
        self._write(seed.files or {}, work)

    def _write(self, files: dict[str, str], work: Path) -> None:
        try:
            check_paths(files)
        except ValueError as error:
            raise SeedError(f"the workspace's files: {error}") from None
        for name, text in files.items():
            path = inside(work, name)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            except IsADirectoryError:
                raise SeedError(
                    f"the workspace's file {name!r} cannot be written: a folder has that name"
                ) from None
            except (FileExistsError, NotADirectoryError):
                raise SeedError(
                    f"the workspace's file {name!r} cannot be written: what should be its folder is a file"
                ) from None
            except (OSError, ValueError) as error:
                _must_not_pass(error)
                raise SeedError(
                    f"the workspace's file {name!r} cannot be written: {reason(error)}"
                ) from error

    def _allowed(self, folder: str) -> Path:
        source = Path(folder)
        if not source.is_absolute():
            raise SeedError(f"the workspace's folder must be an absolute path: {folder}")
        source = source.resolve()
        if not any(source.is_relative_to(root) for root in self._roots):
            allowed = ", ".join(map(str, self._roots)) or "no folder at all"
            raise SeedError(f"{folder} is not below a folder that workspaces may be copied from: {allowed}")
        if not source.is_dir():
            raise SeedError(f"the workspace's folder is not there: {folder}")
        return source

    def _copy(self, source: Path, work: Path) -> None:
        size = 0
        for path in self._to_copy(source):
            if self._closing.is_set():
                raise InterruptedError("the worker stops")
            target = work / path.relative_to(source)
            try:
                size += _copy_one(path, target)
            except FileNotFoundError:  # it went meanwhile, or git still names what was deleted
                continue
            except OSError as error:
                _must_not_pass(error)
                raise SeedError(f"{path} cannot be copied into the workspace: {reason(error)}") from error
            if size > LIMIT:
                raise SeedError(f"{source} holds more than 1 GiB: too much for a workspace")

    def _to_copy(self, source: Path) -> Iterator[Path]:
        """What git names, with `.git`; everything where it names nothing. A folder comes before what it
        holds."""
        names = _git_names(source)
        if not names:
            yield from self._below(source)
            return
        for name in names:
            path = source / name
            if not any(folder in self._private for folder in (path, *path.parents)):
                if path.is_dir() and not path.is_symlink():
                    yield from self._below(path)
                else:
                    yield path
        if (source / ".git").is_dir():
            yield from self._below(source / ".git")

    def _below(self, folder: Path) -> Iterator[Path]:
        for parent, folders, files in os.walk(folder):
            here = Path(parent)
            if here.resolve() in self._private:
                folders.clear()
                continue
            yield here
            yield from (here / name for name in (*files, *(n for n in folders if (here / n).is_symlink())))


def _execution_of(place: Path) -> str:
    """Whose workspace it is, whichever of a run's it is; "" of what is only being made or removed."""
    return "" if place.name.startswith(".") else re.split("[@~]", place.name, maxsplit=1)[0]


def inside(work: Path, path: str) -> Path:
    """`path` in the workspace, links resolved. SeedError where that leads out of it."""
    try:
        found = (work / path).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a NUL, a loop of links, a name too long
        raise SeedError(f"{path!r} is no path in the workspace: {reason(error)}") from error
    if not found.is_relative_to(work.resolve()):
        raise SeedError(f"{path!r} leads out of the workspace")
    return found


def _must_not_pass(error: Exception) -> None:
    """Raises what is no fault of the seed: it is tried again."""
    if isinstance(error, OSError) and error.errno in FOR_WANT_OF_ROOM:
        raise error


def reason(error: Exception) -> str:
    """The error's words without its number."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _git_names(folder: Path) -> list[str]:
    """What git says belongs to the folder; nothing where there is no git or no repository. OSError, SeedError where it
    cannot be asked: what it leaves out is not to be copied for that."""
    # No hook and no program that the repository's settings name is run; it may belong to another user.
    command = ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "ls-files"]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    try:
        listed = subprocess.run(
            [*command, "-z", "-co", "--exclude-standard"],
            cwd=folder,
            env=kept,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LISTING,
            check=False,
        )
    except OSError as error:
        _must_not_pass(error)
        return []
    except subprocess.TimeoutExpired:
        raise SeedError(
            f"git did not say within {_LISTING:g} s what belongs to the workspace's folder {folder}"
        ) from None
    return (
        [os.fsdecode(name) for name in listed.stdout.split(b"\0") if name] if listed.returncode == 0 else []
    )


def _copy_one(path: Path, target: Path) -> int:
    """Copies a folder (empty), a file or a link, with its mode and times; its size in bytes. Pipes, sockets
    and devices are left out."""
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode):
        target.mkdir(parents=True, exist_ok=True)
        return 0
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
        return 0
    if found.st_size > LIMIT:
        return found.st_size
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, target, follow_symlinks=False)
    return found.st_size
