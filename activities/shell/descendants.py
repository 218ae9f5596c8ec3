"""The processes of a command: its descendants, what they use and may use, and their signals.

Standard library only, and little of it (see supervisor.py).
"""

from __future__ import annotations

import os

from codeai.activities.shell import formats
from codeai.activities.shell.cgroups import Cgroup

KILL = 9
LIMITED_BY = {128 + 24: formats.CPU, 128 + 25: formats.FILE_SIZE}
"""Exit codes after SIGXCPU and SIGXFSZ: which limit of `limit_self` it was."""


def family() -> dict[int, list[bytes]]:
    """The living descendants of this process, with the fields of their `stat` from the state on. Orphans became its
    children, as it is their subreaper."""
    found = {pid: fields for pid in formats.processes() if (fields := living(pid))}
    mine = {os.getpid()}
    while more := {pid for pid, fields in found.items() if int(fields[1]) in mine} - mine:
        mine |= more
    return {pid: found[pid] for pid in mine if pid != os.getpid()}


def kill_children() -> None:
    """KILL to the children of this process. Where the system does not list them, family() finds them too."""
    for pid in (formats.read(f"/proc/self/task/{os.getpid()}/children") or b"").split():
        kill_one(int(pid), KILL, 0)


def passed(limits: dict[str, int]) -> str | None:
    """The limit that all processes of the command together pass; None where they pass none. Those of `limit_self` are
    for each alone."""
    found = family()
    own = os.times()
    ticks = sum(int(used) for fields in found.values() for used in fields[11:15])
    used = {  # a flood of processes is told as one, whatever it uses besides
        formats.PROCESSES: len(found),
        formats.CPU: ticks / os.sysconf("SC_CLK_TCK") + own.children_user + own.children_system,
        formats.MEMORY: sum(int(fields[21]) for fields in found.values()) * os.sysconf("SC_PAGE_SIZE"),
    }
    return next((name for name, value in used.items() if value > limits.get(name, value)), None)


def tasks() -> int:
    """How many processes and threads the machine has: cheap, where looking at each is not. 0 where it does not tell."""
    fields = (formats.read("/proc/loadavg") or b"").split()
    return int(fields[3].partition(b"/")[2]) if len(fields) > 3 else 0


def living(pid: int) -> list[bytes]:
    """The fields of a process' `stat` from its state on; none where it has ended, buried or not."""
    try:
        stat = formats.read(f"/proc/{pid}/stat") or b""
    except OSError:
        return []
    fields = stat.rpartition(b")")[2].split()
    return fields if fields and fields[0] not in (b"Z", b"X") else []


def limit_self(limits: dict[str, int]) -> None:
    """What the kernel enforces for each process alone, in the child before it is the command."""
    import resource

    kinds = {
        formats.CPU: resource.RLIMIT_CPU,
        formats.MEMORY: resource.RLIMIT_DATA,  # not RLIMIT_AS: runtimes reserve addresses that they never use
        formats.FILE_SIZE: resource.RLIMIT_FSIZE,
    }
    for name, kind in kinds.items():
        if name in limits:
            most = resource.getrlimit(kind)[1]
            value = limits[name] if most == resource.RLIM_INFINITY else min(limits[name], most)
            beyond = (
                value + 1 if name == formats.CPU and value != most else value
            )  # at the hard one it is KILL
            resource.setrlimit(kind, (value, beyond))


def noted(folder: str) -> dict[str, str]:
    """What the supervisor of the attempt in `folder` has noted in its entry, by the first word of the line."""
    lines = (
        (formats.read(f"{folder}/{formats.ENTRY}") or b"").decode(errors="replace").split("\n")[:-1]
    )  # whole ones
    return {word: rest for word, _, rest in (line.partition(" ") for line in lines)}


def noted_cgroup(folder: str) -> Cgroup | None:
    """The control group of that attempt, if it was given one."""
    path = noted(folder).get("cgroup")
    return None if path is None else Cgroup(path)


def remove_noted(folder: str) -> bool:
    """Whether the control group of that attempt is gone: not while there is anything in it."""
    cgroup = noted_cgroup(folder)
    return cgroup is None or cgroup.remove()


def kill_noted(folder: str) -> None:
    """Kills the process group of the attempt in `folder` that its supervisor noted, if its leader is still the same
    process, and its control group."""
    pid, _, start = noted(folder).get("command", "").partition(" ")
    if start and formats.start_time(pid) == start:
        kill_group(int(pid), KILL)
    if cgroup := noted_cgroup(folder):
        cgroup.kill()


def kill_marked(folder: str) -> bool:
    """Kills whatever has the marks of the attempt in `folder`, wherever it went. Whether there was anything."""
    spec = formats.read(f"{folder}/{formats.SPEC}")
    try:
        marked = formats.with_marks(formats.Spec.decode(spec).marks) if spec else []
    except (KeyError, ValueError):  # torn by a power cut, which nothing has outlived
        marked = []
    for process in marked:
        kill_one(process, KILL, 0)
    return bool(marked)


def kill_group(group: int, number: int) -> bool:
    """Signals a process group; False where it has no member."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # its members have changed their user: they are there
        return True
    return True


def kill_one(pid: int, number: int, group: int) -> None:
    """Signals a process that is not in `group` (that has had its signal)."""
    try:
        if os.getpgid(pid) != group:
            os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # gone, or out of reach
