"""A control group for each command: whatever its processes make of their parents, sessions and environment, they are
found and die together. Where the machine has no cgroup v2, or lets this user make no groups below its own, it has none.

Standard library only, and little of it (see supervisor.py).
"""

# ruff: noqa: PTH102, PTH106, PTH110, PTH120, PTH123
# (pathlib would cost the fork server 10 ms)

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the part of `signal` that costs nothing; no stub has it
import os
import time

from codeai.activities.shell import formats

MOUNTS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
"""Where cgroup v2 is, alone or beside v1."""
CLONE3 = 435  # number of the system call, the same on every machine but alpha
CLONE_INTO_CGROUP = 1 << 33
FIELDS, FLAGS, EXIT_SIGNAL, CGROUP = 11, 0, 4, 10  # of `struct clone_args`, clone(2)
DYING = 1.0  # how long the last of a group is waited for, seconds


class Cgroup:
    """The group of one command, at `path`."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    @classmethod
    def of(cls, home: str, attempt: str) -> Cgroup:
        """That of the attempt with this folder, below `home`."""
        execution, _, name = attempt.rpartition("/")
        return cls(f"{home}/codeai.{execution.rpartition('/')[2]}.{name}")

    def make(self) -> bool:
        """Whether it is there now."""
        try:
            os.mkdir(self.path)
        except OSError:  # there are too many
            return False
        return True

    def fork(self) -> int:
        """As os.fork, with the child in the group from its first moment: one that joined it later would cost 28 ms, for
        which the kernel waits until no other process forks. OSError as os.fork, and where the kernel does not know how.
        """
        import ctypes  # the fork server has it already

        args = (ctypes.c_uint64 * FIELDS)()
        args[FLAGS], args[EXIT_SIGNAL] = CLONE_INTO_CGROUP, _signal.SIGCHLD
        args[CGROUP] = group = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        python = ctypes.PyDLL(None, use_errno=True)
        python.syscall.restype = ctypes.c_long
        python.PyOS_BeforeFork()
        pid: int = python.syscall(
            ctypes.c_long(CLONE3), ctypes.byref(args), ctypes.c_size_t(ctypes.sizeof(args))
        )
        if pid == 0:
            python.PyOS_AfterFork_Child()
        else:
            python.PyOS_AfterFork_Parent()
        os.close(group)
        if pid < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        return pid

    def members(self) -> list[int]:
        """Its processes, and those of groups that they have made in it."""
        found = []
        for folder in self._folders():
            try:
                found += [int(pid) for pid in (formats.read(f"{folder}/cgroup.procs") or b"").split()]
            except OSError:  # removed meanwhile
                continue
        return [pid for pid in found if pid]  # 0 is one that this pid namespace has no number for

    def populated(self) -> bool:
        """Whether anything lives in it."""
        return b"populated 1" in (formats.read(f"{self.path}/cgroup.events") or b"")

    def kill(self) -> None:
        """Kills all of them, and what they fork meanwhile."""
        try:
            with open(f"{self.path}/cgroup.kill", "wb", buffering=0) as file:
                file.write(b"1")
        except OSError:  # removed already
            pass

    def remove(self) -> bool:
        """Whether it is gone: not while it has members."""
        try:
            for folder in self._folders():
                os.rmdir(folder)
        except FileNotFoundError:
            pass
        except OSError:
            return False
        return True

    def let_go(self) -> None:
        """Removes it. What is there and may stay goes to the group above."""
        end = time.monotonic() + DYING
        while not self.remove() and time.monotonic() < end:
            for pid in self.members():
                try:
                    with open(f"{os.path.dirname(self.path)}/cgroup.procs", "wb", buffering=0) as file:
                        file.write(str(pid).encode())
                except OSError:  # it has just ended
                    continue
            time.sleep(0.001)

    def _folders(self) -> list[str]:
        """It and the groups in it, innermost first."""
        return [folder for folder, _, _ in os.walk(self.path, topdown=False)]


def home() -> str | None:
    """The group of this process, if commands can be forked into groups below it: that is tried."""
    own = (formats.read("/proc/self/cgroup") or b"").decode()
    path = next((line[3:].rstrip("/") for line in own.splitlines() if line.startswith("0::")), None)
    for place in () if path is None else (f"{mount}{path}" for mount in MOUNTS):
        if os.path.exists(f"{place}/cgroup.procs"):
            return place if _works(place) else None
    return None


def _works(place: str) -> bool:
    trial = Cgroup(f"{place}/codeai.trial.{os.getpid()}")
    if not trial.make():
        return False
    try:
        pid = trial.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        return os.path.exists(f"{trial.path}/cgroup.kill")  # Linux 5.14
    except (OSError, ImportError, AttributeError):
        return False
    finally:
        trial.let_go()
