"""The spool on disk: a folder for each attempt, a token for each activity that waits for one."""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codeai.activities.shell import formats
from codeai.activities.shell.descendants import kill_marked, kill_noted, remove_noted
from codeai.activities.shell.formats import Exit, Frame, Spec
from codeai.activities.shell.removal import remove_tree
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.shell import CommandInput

_INPUT = "input"
_REFUSED, _GONE = b"refused", b"gone"  # first words of an entry that no supervisor has made
_ID = re.compile(r"[0-9A-Za-z_-]{1,100}")
_DYING = 2.0  # how long a killed process is waited for: one in the kernel's hands may take its time, seconds
_READ = 1 << 20  # most bytes of output read at once


@dataclass(frozen=True, slots=True)
class Absent:
    """Nobody has started it."""


@dataclass(frozen=True, slots=True)
class Running:
    """A supervisor has it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """It has exited, or was ended."""

    exit: Exit


@dataclass(frozen=True, slots=True)
class Refused:
    """It was not started, and nobody can start it any more. `begun`: it may have been, in a spool that is gone."""

    error: RunError
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """Its supervisor died: nobody can know how it ended. `noted`: the command may have begun."""

    noted: bool


Look = Absent | Running | Ended | Refused | Lost


@dataclass(frozen=True, slots=True)
class Token:
    """An activity that waits for the attempt `key`. Of several the newest counts."""

    key: str
    time: int
    token: bytes
    workflow_id: str
    run_id: str


class Attempt:
    """The folder of one attempt of one step."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self.key = key

    def write_input(self, step: CommandInput) -> None:
        """Makes the folder with its input, whole; where it is there, the newest activity's input is kept. OSError where
        there is no room, or no spool."""
        data = step.model_dump_json().encode()
        if self.folder.is_dir():
            formats.write_whole(str(self.folder / _INPUT), data)
            return
        self.folder.parent.mkdir(mode=0o700, exist_ok=True)
        new = self.folder.with_name(f".{uuid.uuid4()}")
        new.mkdir(mode=0o700)
        try:
            formats.write_whole(str(new / _INPUT), data)
            new.rename(self.folder)
        except OSError as error:
            shutil.rmtree(new, ignore_errors=True)
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise

    def input(self) -> CommandInput:
        """FileNotFoundError where the folder is gone."""
        return CommandInput.model_validate_json((self.folder / _INPUT).read_bytes())

    def lock(self) -> int | None:
        """A descriptor that keeps others from attending, for as long as it is open; None where somebody
        does."""
        try:
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return None
        if formats.lock(descriptor) and self._is_still(descriptor):
            return descriptor
        os.close(descriptor)
        return None

    def _is_still(self, descriptor: int) -> bool:
        """Whether that is its folder: it may have been removed before it was locked."""
        try:
            return os.path.samestat(os.fstat(descriptor), self.folder.stat())
        except FileNotFoundError:
            return False

    @property
    def files(self) -> Path:
        return self.folder / formats.FILES

    @property
    def prepared(self) -> bool:
        return (self.folder / formats.SPEC).exists()

    def prepare(self, spec: Spec, script: str, files: dict[str, str]) -> None:
        """Writes what the supervisor needs; once, as a supervisor may be on its way already. ValueError where
        something cannot be written as it is."""
        encoded = spec.encode()
        remove_tree(self.files)
        self.files.mkdir(mode=0o700)
        for name, text in files.items():
            formats.write_whole(str(self.files / name), text.encode())
        formats.write_whole(str(self.folder / formats.SCRIPT), script.encode())
        for fifo in (formats.CONTROL, formats.ALIVE):
            if not (self.folder / fifo).exists():
                os.mkfifo(self.folder / fifo, 0o600)
        formats.write_whole(str(self.folder / formats.SPEC), encoded)

    def renew(self, sent: float, length: float) -> None:
        """Writes until when the command may run: `length` seconds from `sent`, by `formats.clock`. Never less than was
        written: who writes may have stood still since. (What is further off than any can be is of an earlier boot.)"""
        file, until = formats.lease_file(str(self.folder)), sent + length
        if until <= (formats.lease(file) or 0.0) <= formats.clock() + length + 1.0:
            return
        new = self.folder / f".lease.{uuid.uuid4()}"
        formats.write_whole(str(new), f"{until:.3f}".encode())
        new.rename(file)

    def refuse(self, error: RunError, *, begun: bool = False) -> bool:
        """Takes the supervisor's place in the entry, so that the command never starts; False where it has
        one."""
        own = self.folder / f"{formats.ENTRY}.{uuid.uuid4()}"
        try:
            own.write_bytes((_GONE if begun else _REFUSED) + b" " + error.model_dump_json().encode())
            os.link(own, self.folder / formats.ENTRY)
        except FileExistsError:
            return False
        finally:
            own.unlink(missing_ok=True)
        formats.remove(formats.lease_file(str(self.folder)))
        remove_tree(self.files)
        return True

    def answer(self, exit: Exit) -> None:
        """How it ended, as the record has it: the folder in which it did is gone."""
        formats.write_whole(str(self.folder / formats.EXIT), exit.encode())

    def look(self) -> Look:
        """What is known of it now. What a power cut has torn says nothing."""
        if (ended := self._exit()) is not None:
            return ended
        try:
            entry = os.open(self.folder / formats.ENTRY, os.O_RDONLY)
        except FileNotFoundError:
            return Absent()
        try:
            if not formats.lock(entry, shared=True):
                return Running()
            size = os.fstat(entry).st_size
            word, _, rest = os.pread(entry, size, 0).partition(b" ")
        finally:
            os.close(entry)
        if word in (_REFUSED, _GONE):
            try:
                return Refused(RunError.model_validate_json(rest), begun=word == _GONE)
            except ValueError:
                return Lost(noted=True)
        # The supervisor may have ended between the two looks.
        is_whole = word == b"supervisor" and b"\n" in rest
        return self._exit() or Lost(noted=not is_whole or b"\ncommand " in rest)

    def _exit(self) -> Ended | None:
        data = formats.read(str(self.folder / formats.EXIT))
        try:
            return None if data is None else Ended(Exit.decode(data))
        except ValueError:
            return None

    def output(self, position: int) -> tuple[list[Frame], int]:
        """The frames from `position` on, at most a few, and where the next one begins."""
        try:
            with (self.folder / formats.OUTPUT).open("rb") as file:
                file.seek(position)
                return formats.frames(file.read(_READ), position)
        except FileNotFoundError:
            return [], position

    @property
    def is_told(self) -> bool:
        """Whether all of it stands in the record that ever will, as far as anything was printed or could be."""
        return not (self.folder / formats.OUTPUT).exists()

    def forget_output(self) -> None:
        """Removes what was printed, once all of it stands in the log: a disk does not fill with what the ended commands
        of a long run have said. How it ended stays."""
        (self.folder / formats.OUTPUT).unlink(missing_ok=True)

    def say(self, word: bytes) -> bool:
        """Tells the supervisor CANCEL or KILL; False where none listens (yet, or any more)."""
        try:
            control = os.open(self.folder / formats.CONTROL, os.O_WRONLY | os.O_NONBLOCK)
        except (FileNotFoundError, OSError):
            return False
        try:
            os.write(control, word)
        except BlockingIOError:  # full of the same word
            pass
        finally:
            os.close(control)
        return True

    def kill_rest(self) -> None:
        """Kills what a lost supervisor left behind. Waits until it is gone, and removes the files."""
        end = time.monotonic() + _DYING
        folder = str(self.folder)
        kill_noted(folder)
        while (left := kill_marked(folder) or not remove_noted(folder)) and time.monotonic() < end:
            time.sleep(0.01)
        if not left:  # a lease from before a reboot could last for days
            formats.remove(formats.lease_file(folder))
        remove_tree(self.files)


class SpoolGone(Exception):
    """Somebody has removed the spool of a worker that serves it."""


class Spool:
    """All attempts of a host. Its id is made with the folder and holds the boot's: another one means that
    what was started under the first is gone."""

    def __init__(self, path: Path, id: str) -> None:
        self.path = path
        self.id = id

    @classmethod
    def open(cls, path: Path) -> Spool:
        """Makes the folder where there is none. OSError where it cannot be made."""
        if not path.is_dir():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = path.with_name(f".{path.name}.{uuid.uuid4()}")
            for part in ("attempts", "tokens", "slots", "trash", formats.LEASES):
                (new / part).mkdir(mode=0o700, parents=True)
            new.chmod(0o700)
            (new / "id").write_text(str(uuid.uuid4()))
            try:
                new.rename(path)
            except OSError:
                shutil.rmtree(new, ignore_errors=True)
                if not path.is_dir():
                    raise
        return cls(path, f"{(path / 'id').read_text()}.{boot_id()}")

    def must_be_there(self) -> None:
        """Raises SpoolGone where the folder was removed, or is another one."""
        found = formats.read(str(self.path / "id"))
        if found is None or not self.id.startswith(f"{found.decode()}."):
            raise SpoolGone(
                f"{self.path} was removed while this worker served it: what it held is lost; "
                "the next worker makes a new one"
            )

    def attempt(self, step: CommandInput) -> Attempt:
        """ValueError where the ids could not be names of folders."""
        for id in (step.execution_id, step.step_id):
            if not _ID.fullmatch(id):
                raise ValueError(f"{id!r} is no id of an execution or a step")
        return self.attempt_of(f"{step.execution_id}/{step.step_id}.{step.attempt}")

    def attempt_of(self, key: str) -> Attempt:
        return Attempt(self.path / "attempts" / key, key)

    def attempts(self, execution: str | None = None) -> list[Attempt]:
        """Every attempt on disk, or those of one execution."""
        folders = (self.path / "attempts").glob(f"{execution or '*'}/[!.]*")
        return [self.attempt_of(f"{folder.parent.name}/{folder.name}") for folder in folders]

    def executions(self) -> list[str]:
        """The executions that have attempts on disk."""
        return [folder.name for folder in (self.path / "attempts").iterdir()]

    def put_token(self, attempt: Attempt, token: bytes, workflow_id: str, run_id: str) -> Token:
        """Notes an activity that waits for the attempt; it is newer than those before, whatever the clock says."""
        at = max(time.time_ns(), self.newest_tokens().get(attempt.key, 0) + 1)
        put = Token(attempt.key, at, token, workflow_id, run_id)
        noted = {"token": base64.b64encode(token).decode(), "workflow_id": workflow_id, "run_id": run_id}
        new = self.path / "tokens" / f".{uuid.uuid4()}"
        formats.write_whole(str(new), json.dumps(noted).encode())
        new.rename(self._token_file(put.key, put.time))
        return put

    def newest_tokens(self) -> dict[str, int]:
        """Which attempts are waited for, and since when: cheap, as every worker asks it all the time."""
        found: dict[str, int] = {}
        for name in self._token_names():
            key, _, at = name.replace("~", "/", 1).rpartition("~")
            found[key] = max(found.get(key, 0), int(at))
        return found

    def token(self, key: str, at: int) -> Token | None:
        """None where it has been answered, or was torn by a power cut: it is forgotten then, as its activity is
        repeated."""
        file = self._token_file(key, at)
        try:
            noted = json.loads(file.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            file.unlink(missing_ok=True)
            return None
        return Token(key, at, base64.b64decode(noted["token"]), noted["workflow_id"], noted["run_id"])

    def drop(self, token: Token) -> None:
        """This token, and older ones of the attempt, are not to be answered any more."""
        for name in self._token_names():
            key, _, at = name.replace("~", "/", 1).rpartition("~")
            if key == token.key and int(at) <= token.time:
                self._token_file(key, int(at)).unlink(missing_ok=True)

    def _token_names(self) -> list[str]:
        names = os.listdir(self.path / "tokens")  # noqa: PTH208 - asked all the time, and names are enough
        return [name for name in names if not name.startswith(".")]

    def _token_file(self, key: str, at: int) -> Path:
        return self.path / "tokens" / f"{key.replace('/', '~')}~{at:020d}"

    def remove(self, execution: str, attempts: Sequence[Attempt]) -> None:
        """Removes these attempts of an execution, and its folder where no other is left. Not what somebody waits for
        again, since it was found that nobody does: it would be started a second time."""
        for attempt in attempts:
            if (lock := attempt.lock()) is None:
                continue
            try:
                if attempt.key not in self.newest_tokens():
                    self._remove(attempt)
            finally:
                os.close(lock)
        folder = self.path / "attempts" / execution
        if not self.attempts(execution):
            for half_made in folder.glob(".*"):
                shutil.rmtree(half_made, ignore_errors=True)
            with contextlib.suppress(OSError):  # there is another now
                folder.rmdir()

    def _remove(self, attempt: Attempt) -> None:
        """By a rename first; with its lease, and with a control group that outlived its supervisor."""
        folder = str(attempt.folder)
        remove_noted(folder)
        away = self.path / "trash" / str(uuid.uuid4())
        attempt.folder.rename(away)
        formats.remove(formats.lease_file(folder))
        remove_tree(away)

    def empty_trash(self) -> None:
        """Removes what a worker left behind that died while it removed an attempt."""
        for away in (self.path / "trash").iterdir():
            remove_tree(away)


def boot_id() -> str:
    """What changes when the machine starts anew; "" where the system does not tell."""
    data = formats.read("/proc/sys/kernel/random/boot_id")
    return data.decode().strip() if data else ""
