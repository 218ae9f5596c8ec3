"""The files of an attempt's folder and their formats: what supervisor and worker both read and write.

Standard library only, and little of it: the fork server imports this (RUNNER.md).
"""

# ruff: noqa: PTH104, PTH108, PTH123, PTH208
# (pathlib would cost the fork server 10 ms)

from __future__ import annotations

import fcntl
import os
import time

SPEC = "spec"  # what to run; written whole before the spawn, so it also says "prepared"
ENTRY = "entry"  # who runs it; locked while the supervisor lives, or says why nobody ever will
OUTPUT = "output"  # stdout and stderr in order of arrival, as frames
EXIT = "exit"  # how it ended
SCRIPT = "script"  # the shell text
FILES = "files"  # $CODEAI_FILES
CONTROL = "control"  # FIFO: CANCEL and KILL to the supervisor
ALIVE = "alive"  # FIFO: a byte for new output; hung up when the supervisor has written the exit, or died

LEASES = "leases"  # beside the attempts' folder: until when each command may run, where hosts may be lost

LISTENER = "forkserver.sock"
LISTENER_LOCK = "forkserver.lock"
ATTENDED = "attended"  # locked, shared, by every worker that may ask for a spawn

STDOUT, STDERR = b"o", b"e"  # streams of a frame
CUT = b"t"  # no stream: the log's limit was reached; no bytes
FULL = b"f"  # no stream: from here on the output could not be written; its bytes say why
CANCEL, KILL = b"c", b"k"

CPU, MEMORY, FILE_SIZE, PROCESSES = "cpu", "memory", "file_size", "processes"
LIMITS = (CPU, MEMORY, FILE_SIZE, PROCESSES)  # of one step: seconds, bytes, bytes, a number


class Spec:
    """What the supervisor runs and within which bounds; times in seconds, sizes in bytes."""

    __slots__ = (
        "argv",
        "capture",
        "cwd",
        "env",
        "grace",
        "leased",
        "limits",
        "log_limit",
        "marks",
        "timeout",
    )

    def __init__(
        self,
        argv: list[str],
        env: dict[str, str],
        cwd: str,
        timeout: float,
        grace: float,
        capture: int,
        log_limit: int,
        marks: list[str],
        limits: dict[str, int],
        leased: bool = False,
    ) -> None:
        self.argv = argv
        self.env = env
        self.cwd = cwd
        self.timeout = timeout
        self.grace = grace
        self.capture = capture
        self.log_limit = log_limit
        self.marks = marks  # `NAME=value` that every process of this attempt has in its environment
        self.limits = limits  # LIMITS that are set
        self.leased = leased  # it runs only as long as its lease says

    def encode(self) -> bytes:
        """`<key> <value>` in NUL-ended pieces; ValueError where a text holds a NUL."""
        pieces = [
            f"cwd {self.cwd}",
            f"timeout {self.timeout!r}",
            f"grace {self.grace!r}",
            f"capture {self.capture}",
            f"log_limit {self.log_limit}",
            f"leased {self.leased:d}",
            *(f"arg {text}" for text in self.argv),
            *(f"env {name}={value}" for name, value in self.env.items()),
            *(f"mark {text}" for text in self.marks),
            *(f"limit {name}={most}" for name, most in self.limits.items()),
        ]
        if any("\0" in piece for piece in pieces):
            raise ValueError("a command's text, environment and folder cannot hold a NUL")
        return "".join(f"{piece}\0" for piece in pieces).encode("utf-8", "surrogateescape")

    @classmethod
    def decode(cls, data: bytes) -> Spec:
        one: dict[str, str] = {}
        many: dict[str, list[str]] = {"arg": [], "env": [], "mark": [], "limit": []}
        for piece in data.decode("utf-8", "surrogateescape").split("\0")[:-1]:
            key, _, value = piece.partition(" ")
            if key in many:
                many[key].append(value)
            else:
                one[key] = value
        env = dict(pair.split("=", 1) for pair in many["env"])
        limits = (pair.split("=", 1) for pair in many["limit"])
        return cls(
            argv=many["arg"],
            env=env,
            cwd=one["cwd"],
            timeout=float(one["timeout"]),
            grace=float(one["grace"]),
            capture=int(one["capture"]),
            log_limit=int(one["log_limit"]),
            marks=many["mark"],
            limits={name: int(most) for name, most in limits},
            leased=one["leased"] == "1",
        )


class Confided:
    """What a supervisor is told of secrets: more of the environment, more files, and the forms in which they must
    not be shown (see masks.py). It travels in a file without a name; of it all only the files come on a disk."""

    __slots__ = ("env", "files", "plain", "wrapping")

    def __init__(
        self, env: dict[str, str], files: dict[str, bytes], plain: set[bytes], wrapping: set[bytes]
    ) -> None:
        self.env = env
        self.files = files
        self.plain = plain
        self.wrapping = wrapping

    def encode(self) -> bytes:
        pieces = [
            *((b"e", f"{name}={value}".encode()) for name, value in self.env.items()),
            *((b"f", name.encode() + b"\0" + data) for name, data in self.files.items()),
            *((b"p", form) for form in self.plain),
            *((b"w", form) for form in self.wrapping),
        ]
        return b"".join(frame(key, 0.0, data) for key, data in pieces)

    @classmethod
    def decode(cls, data: bytes) -> Confided:
        of: dict[bytes, list[bytes]] = {b"e": [], b"f": [], b"p": [], b"w": []}
        for piece in frames(data, 0)[0]:
            of[piece.stream].append(piece.data)
        pairs = (one.decode().partition("=") for one in of[b"e"])
        files = (one.partition(b"\0") for one in of[b"f"])
        return cls(
            env={name: value for name, _, value in pairs},
            files={name.decode(): text for name, _, text in files},
            plain=set(of[b"p"]),
            wrapping=set(of[b"w"]),
        )


class Exit:
    """How a command ended. `cause`: exited, timeout, cancelled, killed (from outside, by an operator), lease (it was
    over), or the one of LIMITS that it passed."""

    __slots__ = ("cause", "code", "duration", "err_cut", "out_cut", "stderr", "stdout")

    def __init__(
        self,
        cause: str,
        code: int,
        duration: float,
        stdout: bytes,
        out_cut: bool,
        stderr: bytes,
        err_cut: bool,
    ) -> None:
        self.cause = cause
        self.code = code  # 128 + n after signal n
        self.duration = duration  # seconds
        self.stdout = stdout  # the head, without the output's last newline
        self.out_cut = out_cut
        self.stderr = stderr  # the tail, likewise
        self.err_cut = err_cut

    def encode(self) -> bytes:
        head = (
            f"{self.cause} {self.code} {self.duration:.6f} "
            f"{len(self.stdout)} {self.out_cut:d} {len(self.stderr)} {self.err_cut:d}\n"
        )
        return head.encode() + self.stdout + self.stderr

    @classmethod
    def decode(cls, data: bytes) -> Exit:
        """ValueError where it is not whole: a power cut may leave of a file less than was written."""
        head, _, texts = data.partition(b"\n")
        cause, code, duration, out, out_cut, err, err_cut = head.decode().split(" ")
        stdout, stderr = texts[: int(out)], texts[int(out) :]
        if len(stderr) != int(err):
            raise ValueError("an exit that is not whole")
        return cls(cause, int(code), float(duration), stdout, out_cut == "1", stderr, err_cut == "1")


class Frame:
    """One piece of output; `position` is where it begins in the file, `time` is in seconds since 1970."""

    __slots__ = ("data", "position", "stream", "time")

    def __init__(self, position: int, stream: bytes, time: float, data: bytes) -> None:
        self.position = position
        self.stream = stream
        self.time = time
        self.data = data


def frame(stream: bytes, time: float, data: bytes) -> bytes:
    return b"%s %d %d\n" % (stream, time * 1000, len(data)) + data


def frames(data: bytes, position: int) -> tuple[list[Frame], int]:
    """The whole frames in `data`, which was read at `position`, and where the first unfinished one begins; one that a
    power cut has torn is never finished."""
    found: list[Frame] = []
    at = 0
    while (line_end := data.find(b"\n", at, at + 64)) >= 0:
        head = data[at:line_end].split(b" ")
        if len(head) != 3 or not (head[0].isalpha() and head[1].isdigit() and head[2].isdigit()):
            break
        stream, time, length = head
        end = line_end + 1 + int(length)
        if end > len(data):
            break
        found.append(Frame(position + at, stream, int(time) / 1000, data[line_end + 1 : end]))
        at = end
    return found, position + at


def write_whole(path: str, data: bytes, mode: int = 0o600) -> None:
    """Writes a file that is there whole or not at all."""
    new = f"{path}.{os.getpid()}"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        write_all(descriptor, data)
        os.rename(new, path)
    except OSError:  # it is tried again, perhaps for hours: nothing of it may pile up
        remove(new)
        raise
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def read(path: str) -> bytes | None:
    """The file's content; None where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def remove(path: str) -> None:
    """Removes a file, if it is there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def lock(descriptor: int, shared: bool = False) -> bool:
    """Takes the file's lock if that is free; it ends with the last copy of the descriptor."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def clock() -> float:
    """Seconds since the machine's start, also those that it slept: what leases are told in."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def lease_file(folder: str) -> str:
    """Where the lease of the attempt in `folder` is: all of a host's in one place, for the fork server."""
    spool, _, execution, attempt = folder.rsplit("/", 3)
    return f"{spool}/{LEASES}/{execution}~{attempt}"


def lease(file: str) -> float | None:
    """When that lease is over, by `clock`; None where there is none. One that a power cut has torn is over."""
    text = read(file)
    try:
        return None if text is None else float(text)
    except ValueError:
        return 0.0


def start_time(pid: int | str) -> str:
    """When the process began, in the kernel's ticks: with the pid it names a process for ever. "" where
    none is, or where the system does not tell."""
    try:
        stat = read(f"/proc/{pid}/stat")
    except OSError:
        return ""
    # The name, in parentheses, may hold spaces; the start is field 22.
    return stat.rpartition(b")")[2].split()[19].decode() if stat else ""


def with_marks(marks: list[str]) -> list[int]:
    """Every process whose environment has all of `marks`: a command's descendants, wherever they went. None where the
    marks are not whole `NAME=value`, as in a file that a power cut has torn: they would be everybody's."""
    wanted = [mark.encode("utf-8", "surrogateescape") for mark in marks]
    if not wanted or not all(name and value for name, _, value in (mark.partition(b"=") for mark in wanted)):
        return []
    found = []
    for pid in processes():
        try:
            environment = read(f"/proc/{pid}/environ") or b""
        except OSError:  # somebody else's, or just gone
            continue
        if set(wanted) <= set(environment.split(b"\0")):
            found.append(pid)
    return found


def processes() -> list[int]:
    """The pids of this machine; none where the system has no /proc."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except FileNotFoundError:
        return []
