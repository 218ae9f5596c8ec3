"""Starts supervisors: the one process of a host that forks them. Run by path, `python -S -E forkserver.py
SPOOL VERSION`.

Standard library only, and little of it (see supervisor.py). It may die at any time: a lost datagram is a
spawn that did not happen, and the worker sends it again.
"""

# ruff: noqa: PTH100, PTH108, PTH110, PTH120, PTH208
# (pathlib would cost the fork server 10 ms)

from __future__ import annotations

import gc
import os
import socket
import sys
import time
from collections.abc import Callable

LOOK = 0.5  # how often it looks at the leases, seconds
OVER = 1.0  # how long a lease may be over before it kills: the supervisor comes first, seconds
IDLE = 2.0  # how often it looks whether a worker is there, seconds
MOST = 4096  # bytes of a datagram


def main(spool: str, version: str) -> None:
    """Serves the spool until no worker has held ATTENDED, and no command a lease, at two looks in a row. It notes its
    version, by which a worker that has other code knows that it must not be served by this one."""
    from codeai.activities.shell import cgroups, formats, supervisor

    os.chdir(spool)  # a socket's path may have 107 bytes, so it is a relative one
    lock = os.open(formats.LISTENER_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    if not formats.lock(lock):
        return
    os.truncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()} {version}\n".encode(), 0)
    become_subreaper = subreaper()
    become_subreaper()  # who outlives its supervisor is buried here: not every machine's first process does that
    home = cgroups.home()
    if os.path.exists(formats.LISTENER):
        os.unlink(formats.LISTENER)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(formats.LISTENER)
    listener.settimeout(LOOK)
    gc.freeze()
    lonely = 0
    looked = asked = time.monotonic()
    while lonely < 2:
        try:
            data, descriptors, _, _ = socket.recv_fds(listener, MOST, 2)
        except TimeoutError:
            data, descriptors = b"", []
        now = time.monotonic()
        if now - looked >= LOOK:
            looked = now
            guard(spool)
            bury()
        if not data:
            if now - asked >= IDLE:
                asked = now
                lonely = lonely + 1 if unattended(formats.ATTENDED) and not os.listdir(formats.LEASES) else 0
            continue
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)  # what a command leaves behind must not hold its slot
        if os.fork() == 0:
            try:
                os.close(lock)  # else the supervisor would hold it on
                listener.close()
                os.setsid()
                become_subreaper()
                supervisor.supervise(data.decode("utf-8", "surrogateescape"), descriptors, home)
            except BaseException:  # noqa: BLE001 - whatever it is, this process must not go on as a fork server
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stderr.flush()
                os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)
        lonely = 0


def guard(spool: str) -> None:
    """Kills what runs beyond its lease: its supervisor may be stopped, or dead. The groups of all come first: to look
    for what has left one takes long, and after a thaw every moment counts."""
    from codeai.activities.shell import formats
    from codeai.activities.shell.descendants import kill_marked, kill_noted, remove_noted

    over = {}
    for name in os.listdir(formats.LEASES):
        file = f"{formats.LEASES}/{name}"
        end = formats.lease(file)
        if end is not None and formats.clock() >= end + OVER:
            folder = f"{spool}/attempts/{name.replace('~', '/', 1)}"
            if os.path.exists(
                f"{folder}/{formats.EXIT}"
            ):  # renewed just when it ended: what it left may stay
                formats.remove(file)
                continue
            over[file] = folder
            kill_noted(folder)
    for file, folder in over.items():
        if not kill_marked(folder) and remove_noted(folder):
            formats.remove(file)


def subreaper() -> Callable[[], object]:
    """What makes the calling process the parent of its orphaned descendants; nothing where the system has
    no such thing."""
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    except (ImportError, AttributeError, OSError):
        return lambda: None
    return lambda: prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def unattended(path: str) -> bool:
    """Whether no worker of this spool is there (or the spool is gone)."""
    from codeai.activities.shell import formats

    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        return formats.lock(descriptor)
    finally:
        os.close(descriptor)


def bury() -> None:
    """Takes the exit of supervisors that are done, and of what they left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


if __name__ == "__main__":
    # Not the script's folder, which would come before the standard library: the package's parent, after it.
    sys.path[0:1] = []
    sys.path.append(os.path.dirname(os.path.abspath(__file__)).rsplit(os.sep, 3)[0])
    main(*sys.argv[1:])
