"""Owns one command from its start to its exit, whatever becomes of the worker.

Forked by the fork server; standard library only, and neither signal, subprocess, json nor typing: what is
imported here is paid before the first command of a host.
"""

# ruff: noqa: PTH101, PTH106, PTH108, PTH112, PTH114, PTH123
# (pathlib would cost the fork server 10 ms)

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the part of `signal` that costs nothing; no stub has it
import errno
import os
import select
import sys
import time

from codeai.activities.shell import formats
from codeai.activities.shell.captured import FRAME, Head, Log, Tail
from codeai.activities.shell.cgroups import Cgroup
from codeai.activities.shell.descendants import (
    LIMITED_BY,
    family,
    kill_children,
    kill_group,
    kill_one,
    limit_self,
    living,
    passed,
    tasks,
)
from codeai.activities.shell.formats import Confided, Exit, Spec

TYPE_CHECKING = False  # as in typing, which is not imported
if TYPE_CHECKING:
    from codeai.activities.shell.masks import Mask

TERM, KILL, CONT = 15, 9, 18
LEFTOVERS = 0.2  # what is left of the process group may end by itself, seconds
WATCH = 0.2  # how often what it uses is looked at, seconds
SUDDEN = 0.02  # how often whether the machine has many more processes than then, seconds
CHASES = 100  # how often the children are killed before others are looked for
TICK = 0.01  # how often an ending process group is looked at, seconds
WAIT = 1.0  # longest wait for an event, seconds
LEASED = 0.1  # the same where there is a lease: its clock goes on while the machine sleeps, a wait's does not, seconds


class Command:
    """One command: its processes, its pipes, and why it is being ended."""

    def __init__(
        self, spec: Spec, confided: Confided | None, lease: str | None, cgroup: Cgroup | None
    ) -> None:
        self.spec = spec
        self.cgroup = cgroup
        self.masks = masks(confided)
        self.control = os.open(formats.CONTROL, os.O_RDWR | os.O_NONBLOCK)
        self.news = os.open(formats.ALIVE, os.O_RDWR | os.O_NONBLOCK)
        self.log = Log(spec.log_limit, self.news)
        self.head, self.tail = Head(spec.capture), Tail(spec.capture)
        self.poller = select.poll()
        self.poller.register(self.control, select.POLLIN)
        self.pipes: dict[int, bytes] = {}
        self.pid = 0
        self.entry = -1
        self.pidfd = -1
        self.began = 0.0
        self.code: int | None = None  # of the shell, once it has exited
        self.group_is_gone = False
        self.cause = "exited"
        self.watched = any(name != formats.FILE_SIZE for name in spec.limits)
        self.watch_at = 0.0
        self.tasks = 0  # on the whole machine, when that was looked at last
        self.lease = lease
        self.lease_end = float("inf") if lease is None else -1.0

    def start(self, entry: int) -> None:
        """Forks the command, notes it in the entry and only then lets it run."""
        if self.cgroup is not None:  # noted first: whoever comes after a crash has to know of it
            formats.write_all(entry, f"cgroup {self.cgroup.path}\n".encode())
            self.cgroup = self.cgroup if self.cgroup.make() else None
        if self.spec.limits:
            import resource  # noqa: F401 - here, as the child would have to read it from the disk
        gate, release = os.pipe()
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        self.pid = os.fork() if self.cgroup is None else self.cgroup.fork()
        if self.pid == 0:
            os.close(release)
            become(self.spec, gate, out_end, err_end)
        for descriptor in (gate, out_end, err_end):
            os.close(descriptor)
        for descriptor, stream in ((out, formats.STDOUT), (err, formats.STDERR)):
            os.set_blocking(descriptor, False)
            self.poller.register(descriptor, select.POLLIN)
            self.pipes[descriptor] = stream
        if hasattr(os, "pidfd_open"):
            self.pidfd = os.pidfd_open(self.pid)
            self.poller.register(self.pidfd, select.POLLIN)
        try:
            formats.write_all(entry, f"command {self.pid} {formats.start_time(self.pid)}\n".encode())
            self.entry, self.began = entry, time.monotonic()
            self.watch_at = self.began
            os.write(release, b".")
        finally:
            os.close(release)  # unwritten, the command ends without having begun

    def run(self) -> Exit:
        """Until the shell has exited, or was ended with all that it started."""
        deadline = self.began + self.spec.timeout
        while self.code is None and self.cause == "exited":
            self.listen(deadline)
            if self.code is None and time.monotonic() >= deadline:
                self.cause = "timeout"
            if self.code is None and self.lease_is_over():
                self.cause = "lease"
            if self.code is None and forsaken(self.entry):
                self.cause = "killed"
        if self.cause == "exited" and self.code is not None:
            self.cause = LIMITED_BY.get(self.code, "exited")
            if self.code == 128 + KILL and self.lease_is_over():  # the fork server was quicker
                self.cause = "lease"
            elif self.cause not in self.spec.limits:
                self.cause = "exited"
        elif self.cause in formats.LIMITS or self.cause == "lease":
            self.kill()
        elif self.cause != "exited":
            self.end()
        duration = time.monotonic() - self.began
        self.leftovers()
        for stream in self.masks:
            self.show(stream, b"", last=True)
        self.log.flush()
        (stdout, out_cut), (stderr, err_cut) = self.head.text(), self.tail.text()
        code = 0 if self.code is None else self.code
        return Exit(self.cause, code, duration, stdout, out_cut, stderr, err_cut)

    def listen(self, until: float) -> None:
        """Waits for output, a word from outside or the exit, at most until `until`; writes what is due."""
        due = self.log.due()
        now = time.monotonic()
        if self.watched and self.cause == "exited":
            most = self.spec.limits.get(formats.PROCESSES)
            if now >= self.watch_at or (most is not None and tasks() - self.tasks > most):
                self.cause = passed(self.spec.limits) or self.cause
                self.watch_at, self.tasks = now + WATCH, tasks()
            until = min(until, self.watch_at if most is None else now + SUDDEN)
        longest = WAIT if self.lease is None else LEASED
        wait = min(until, due or until, now + (longest if self.pidfd >= 0 else TICK)) - now
        wait = min(wait, self.lease_end - formats.clock())
        for descriptor, _ in self.poller.poll(max(0.0, wait) * 1000):
            if descriptor in self.pipes:
                self.take(descriptor)
            elif descriptor == self.control:
                word = os.read(self.control, 512)
                self.reap()  # what has ended by itself was not cancelled
                if self.cause == "exited" and self.code is None:
                    self.cause = "killed" if formats.KILL in word else "cancelled"
        self.reap()
        due = self.log.due()
        if due is not None and time.monotonic() >= due:
            self.log.flush()

    def lease_is_over(self) -> bool:
        """Whether the command may not run any more: by then the run may go on elsewhere."""
        if self.lease is None or formats.clock() < self.lease_end:
            return False
        self.lease_end = formats.lease(self.lease) or 0.0  # renewed meanwhile?
        return formats.clock() >= self.lease_end

    def take(self, descriptor: int) -> bool:
        """Takes over what a pipe holds; False where it holds nothing now."""
        try:
            data = os.read(descriptor, FRAME)
        except BlockingIOError:
            return False
        if not data:
            self.poller.unregister(descriptor)
            os.close(descriptor)
            del self.pipes[descriptor]
            return False
        self.show(self.pipes[descriptor], data)
        return True

    def show(self, stream: bytes, data: bytes, last: bool = False) -> None:
        """Writes what came, less the secrets."""
        if stream in self.masks:
            data = self.masks[stream].feed(data, last)
        if data:
            self.log.add(stream, data)
            (self.head if stream == formats.STDOUT else self.tail).add(data)

    def reap(self) -> bool:
        """Notes the shell's exit, and buries what its descendants left to this process. Whether it has children: as it
        is their subreaper, it has while a descendant lives, also one that forks away from whoever looks for it.
        """
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.pid:
                code = os.waitstatus_to_exitcode(status)
                self.code = code if code >= 0 else 128 - code
                if self.pidfd >= 0:
                    self.poller.unregister(self.pidfd)

    def end(self) -> None:
        """TERM to everything of this command, KILL to what is there after the grace."""
        self.signal(TERM)
        self.signal(CONT)  # a stopped process hears TERM only then
        kill_at = time.monotonic() + self.spec.grace
        while self.alive() and time.monotonic() < kill_at and not self.lease_is_over():
            self.listen(min(kill_at, time.monotonic() + 5 * TICK))
        self.kill()

    def kill(self) -> None:
        """KILL to everything of this command, until nothing is there. The groups first and at once: where they fork
        and fork, looking for others takes long. Who forks and goes, again and again, becomes a child of this process
        each time, and is met between two of its forks."""
        while self.alive():
            self.to_group(KILL)
            if self.cgroup is not None:
                self.cgroup.kill()
            for _ in range(CHASES):
                if not self.reap():
                    break
                kill_children()
            self.signal(KILL)
            self.listen(time.monotonic() + TICK)

    def leftovers(self) -> None:
        """Ends what is left of the group, and takes what the pipes still hold: a process that left the
        group may keep them open for ever."""
        kill_at = time.monotonic() + LEFTOVERS
        while self.group() and time.monotonic() < kill_at:
            self.listen(min(kill_at, time.monotonic() + TICK))
        give_up_at = time.monotonic() + LEFTOVERS
        while self.group() and time.monotonic() < give_up_at:
            self.to_group(KILL)
            self.listen(time.monotonic() + TICK)
        for descriptor in list(self.pipes):
            for _ in range(64):  # a pipe holds 64 KiB; who writes on and on is not waited for
                if not self.take(descriptor):
                    break

    def to_group(self, number: int) -> bool:
        """Signals the command's process group; False where it has no member. One that is gone stays so: as its leader
        is buried, its number may be another's by now."""
        if self.group_is_gone:
            return False
        there = kill_group(self.pid, number)
        self.group_is_gone = self.code is not None and not there
        return there

    def group(self) -> bool:
        """Whether the command's process group has a member."""
        self.reap()
        return self.to_group(0)

    def alive(self) -> bool:
        """Whether anything that the command started is there. The kernel is asked first: looking at each process may
        miss one that forks away meanwhile."""
        if self.reap() or self.to_group(0):
            return True
        return (self.cgroup is not None and self.cgroup.populated()) or bool(self.strays())

    def strays(self) -> list[int]:
        """What may have left the process group: the members of the control group, descendants, of which the orphans
        became children of this process, and what has their marks in its environment."""
        members = [] if self.cgroup is None else self.cgroup.members()
        marked = (pid for pid in formats.with_marks(self.spec.marks) if pid != os.getpid())
        return [*{*family(), *(pid for pid in (*members, *marked) if living(pid))}]

    def signal(self, number: int) -> None:
        strays = self.strays()  # before the group dies, and with it the way to its descendants
        self.to_group(number)
        for pid in strays:
            kill_one(pid, number, self.pid)


def masks(confided: Confided | None) -> dict[bytes, Mask]:
    """What takes the secrets out of each stream; nothing where there are none."""
    if confided is None or not confided.plain:
        return {}
    from codeai.activities.shell.masks import Forms, Mask  # only here: it needs `re`, which takes 6 ms

    forms = Forms(confided.plain, confided.wrapping)
    return {stream: Mask(forms) for stream in (formats.STDOUT, formats.STDERR)}


def become(spec: Spec, gate: int, out: int, err: int) -> None:
    """In the child: waits to be noted, then is the command. Never returns."""
    try:
        os.setsid()
        if not os.read(gate, 1):  # the supervisor died before it noted us: nothing may run
            os._exit(0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, number in ((nothing, 0), (out, 1), (err, 2)):
            os.dup2(descriptor, number)
        _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)  # Python ignores these two
        _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, [])
        if spec.limits:
            limit_self(spec.limits)
        os.umask(0o022)
        os.chdir(spec.cwd)
        os.execve(spec.argv[0], spec.argv, spec.env)  # noqa: S606 - that is what it is for
    except (OSError, ValueError) as error:
        why = getattr(error, "errno", None)
        what = "its environment is too long" if why == errno.E2BIG else str(error)
        os.write(2, f"codeai: the command could not be started: {what}\n".encode())
        os._exit(127 if why == errno.ENOENT else 126)
    finally:
        os._exit(126)


def claim() -> int | None:
    """Makes the entry: locked first, then put in place by link(2), so that nobody ever sees it unlocked
    while this process lives. None where the attempt has one."""
    own = f"{formats.ENTRY}.{os.getpid()}"
    entry = os.open(own, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    formats.lock(entry)
    try:
        formats.write_all(entry, f"supervisor {os.getpid()} {formats.start_time('self')}\n".encode())
        os.link(own, formats.ENTRY)
    except FileExistsError:
        return None
    finally:
        os.unlink(own)
    return entry


def forsaken(entry: int) -> bool:
    """Whether somebody has removed the attempt's folder: nobody can tell the command anything any more, or hear how it
    ended."""
    return os.fstat(entry).st_nlink == 0


def remove_files() -> None:
    """Removes $CODEAI_FILES, whatever the command made of it."""
    if os.path.islink(formats.FILES):  # it may lead anywhere
        os.unlink(formats.FILES)
        return
    if os.path.isdir(formats.FILES):
        os.chmod(formats.FILES, 0o700)
    for folder, folders, _ in os.walk(formats.FILES):  # which leaves out what it cannot read
        for name in folders:
            if not os.path.islink(f"{folder}/{name}"):
                os.chmod(f"{folder}/{name}", 0o700)
    for folder, folders, files in os.walk(formats.FILES, topdown=False):
        for name in files:
            os.unlink(f"{folder}/{name}")
        for name in folders:
            path = f"{folder}/{name}"
            os.unlink(path) if os.path.islink(path) else os.rmdir(path)
    if os.path.isdir(formats.FILES):
        os.rmdir(formats.FILES)


def supervise(folder: str, descriptors: list[int], home: str | None = None) -> None:
    """Runs the attempt in `folder`, unless it has its supervisor. The first of the descriptors holds the command's
    slot, given back when it has ended; a second one is what is confided. Below `home` the command has its control
    group, where there can be one."""
    os.chdir(folder)
    release = descriptors[:1]
    confided = None
    for told in descriptors[1:]:
        with open(told, "rb") as file:
            file.seek(0)
            confided = Confided.decode(file.read())
    spec = Spec.decode(formats.read(formats.SPEC) or b"")
    lease = formats.lease_file(folder) if spec.leased else None
    if lease is not None and (formats.lease(lease) or 0.0) <= formats.clock():
        return  # it is renewed before this attempt is asked for again
    cgroup = None if home is None else Cgroup.of(home, folder)
    command = Command(
        spec, confided, lease, cgroup
    )  # before the entry: where this fails it is asked for again
    entry = claim()
    if entry is None:
        return
    try:
        if confided is not None:
            spec.env |= confided.env
            for name, data in confided.files.items():
                formats.write_whole(f"{formats.FILES}/{name}", data)
        command.start(entry)
    except OSError as error:
        why = f"codeai: the command could not be started: {error}"
        ended = Exit("exited", 126, 0.0, b"", False, why.encode(), False)
    else:
        ended = command.run()
    conclude(command, entry, ended, (*release, command.news))
    if command.cgroup is not None:
        command.cgroup.let_go()


def conclude(command: Command, entry: int, ended: Exit, held: tuple[int, ...]) -> None:
    """Writes how it ended, and lets go of what is held for as long as it has not."""
    try:
        remove_files()
    except OSError as error:
        print(f"the files of a step could not be removed: {error}", file=sys.stderr)  # noqa: T201
    while not forsaken(entry):  # without the exit the command would count as lost: a full disk is waited for
        command.log.say()
        try:
            formats.write_whole(formats.EXIT, ended.encode())
            break
        except OSError as error:
            print(f"an exit could not be written: {error}", file=sys.stderr)  # noqa: T201
            time.sleep(1.0)
    else:
        return
    if command.lease is not None:
        formats.remove(command.lease)
    for descriptor in held:
        os.close(descriptor)
    # Against a power cut; nobody waits for it.
    os.fsync(command.log.file)  # by its descriptor: once all of it is in the log its name is removed
    for name in (formats.EXIT, "."):
        descriptor = os.open(name, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
