"""Several hosts, on one machine: workers with a root each, killed at random, frozen and thawed."""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.platform import CODEAI, Platform, wait_until
from tests.soak.histories import must_replay
from tests.soak.item import Item

RUNS, STEPS = 200, 5
FIVE_STEPS = """
param file
for n in range(5) {
    exec { echo "begin $n" >> "$file"; echo "line $n"; sleep 0.2; echo "end $n" >> "$file"; echo "done $n" }
}
return 5
"""
THAW = 0.5
"""Seconds that the guards have after a thaw: with 24 commands on a busy machine they are not scheduled at once."""


class HostWorker:
    """A worker of `codeai up --no-worker`, on a root of its own unless others share it."""

    def __init__(
        self, stack: Platform, name: str, role: str, root: str | None = None, **settings: str
    ) -> None:
        self.root = stack.folder / (root or name)
        self._stack, self._role, self._log = stack, role, stack.data / "logs" / f"{name}.log"
        self._ready = stack.folder / f"{name}.ready"
        self._settings = {
            "CODEAI_WORKER_ROOT": str(self.root),
            "CODEAI_WORKER_READY_FILE": str(self._ready),
        } | settings
        self.process = self._begin()
        atexit.register(self._end)

    def _end(self) -> None:
        """Whatever became of the item, nothing of the host stays."""
        _tell(list(self.processes()), signal.SIGKILL)

    def _begin(self) -> subprocess.Popen[bytes]:
        given = [f"{name}={value}" for name, value in self._settings.items()]
        script = '. "$1/worker.env"; shift; exec env "$@"'
        with self._log.open("ab") as log:
            return subprocess.Popen(
                ["sh", "-c", script, "sh", self._stack.data, *given, CODEAI, "worker", self._role],
                cwd=self._stack.folder,
                env=self._stack.environment,
                stdout=log,
                stderr=log,
            )

    @property
    def is_ready(self) -> bool:
        return self._ready.exists() and self._ready.read_text() == str(self.process.pid)

    def until_ready(self) -> HostWorker:
        wait_until(lambda: self.is_ready, 60, "a worker")
        return self

    def kill_and_restart(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = self._begin()

    def restart(self) -> None:
        """Ready when it returns."""
        self.process = self._begin()
        self.until_ready()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(60)

    def processes(self) -> dict[int, str]:
        """All that belongs to the host, with their command lines: the guards come before what they guard."""
        found = {self.process.pid: "worker"}
        for proc in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (proc / "cmdline").read_bytes()
                if str(self.root).encode() in words + (proc / "environ").read_bytes():
                    found[int(proc.name)] = words.decode("utf-8", "replace")
        return dict(sorted(found.items(), key=lambda one: "forkserver.py" not in one[1]))

    def commands(self) -> list[str]:
        """What is left of them beside worker and fork server."""
        return [
            words
            for pid, words in self.processes().items()
            if "worker" not in words and "forkserver" not in words
        ]

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """As a machine that is suspended: worker, fork server, supervisors and commands stand still."""
        with stopped(list(self.processes())):
            yield


@contextlib.contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """These processes stand still."""
    _tell(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _tell(pids, signal.SIGCONT)


def _tell(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def random_kills(stack: Platform, chance: random.Random) -> str:
    """200 runs of 5 steps under SIGKILL of a random worker every 2 s: every step's effect exactly once, logs whole and
    in order, none stuck, all results right. Two hosts with two workers each, both running workflows, too."""
    token, killed = stack.token, 0
    lost_after = {"CODEAI_WORKER_HOST_LOST_AFTER": "10m"}
    kinds = [("one", "all"), ("one", "exec"), ("two", "all"), ("two", "exec")]
    workers = [
        HostWorker(stack, f"{root}-{role}", role, root, **lost_after).until_ready() for root, role in kinds
    ]
    program = stack.write("five.cai", FIVE_STEPS).read_text()
    files = [stack.folder / f"counter-{number}" for number in range(RUNS)]
    ids = []
    began = time.monotonic()
    next_kill = began + 2
    while len(ids) < RUNS or not _all_ended(stack, token, ids):
        while len(ids) < RUNS and time.monotonic() < next_kill:
            body = {"program": program, "inputs": {"file": str(files[len(ids)])}}
            status, _, answer = stack.request("POST", "/executions", body, token=token)
            assert status == 202, answer
            ids.append(answer["id"])
        time.sleep(max(0.0, next_kill - time.monotonic()))
        ready = [worker for worker in workers if worker.is_ready]
        if (
            len(ready) > 1
        ):  # where a worker takes longer to begin than the kills are apart, none would ever do anything
            chance.choice(ready).kill_and_restart()
            killed += 1
        next_kill = time.monotonic() + 2
        assert time.monotonic() - began < 1500, "some runs are stuck"
    took = time.monotonic() - began
    wanted = [line for n in range(STEPS) for line in (f"begin {n}", f"end {n}")]
    log = "".join(f"line {n}\ndone {n}\n" for n in range(STEPS))
    hosts = set()
    for id, file in zip(ids, files, strict=True):
        ended = stack.ended(id, token)
        assert (ended["status"], ended["result"]) == ("complete", STEPS), ended
        assert file.read_text().splitlines() == wanted, (file, file.read_text())
        _, _, lines = stack.request("GET", f"/executions/{id}/logs?limit=100", token=token)
        assert "".join(line["text"] for line in lines["items"]) == log, lines
        _, _, steps = stack.request("GET", f"/executions/{id}/steps?limit=100", token=token)
        assert [step["attempt"] for step in steps["items"]] == [1] * STEPS
        hosts |= {step["host"] for step in steps["items"]}
    assert len(hosts) == 2
    codes = [worker.stop() for worker in workers]
    assert codes == [0] * len(workers), codes
    return (
        f"{RUNS} runs of {STEPS} steps on 2 hosts, {killed} kills, {took:.0f} s: each step once, every log whole; "
        f"{must_replay(stack)}"
    )


def _all_ended(stack: Platform, token: str, ids: list[str]) -> bool:
    """By the newest list, so that the question is cheap."""
    open_ones = sum(
        len(stack.request("GET", f"/executions?status={status}&limit=100", token=token)[2]["items"])
        for status in ("queued", "running", "waiting")
    )
    if open_ones:
        return False
    _, _, first = stack.request("GET", f"/executions/{ids[-1]}", token=token)
    return first["status"] in ("complete", "failed")


def frozen_hosts(stack: Platform, chance: random.Random) -> str:
    """With a `host_lost_after` that nobody has to wait for."""
    return _frozen(stack, chance, lost_after=10)


def frozen_for_real(stack: Platform, chance: random.Random) -> str:
    """With the time that hosts have where nothing else is set: some 12 minutes."""
    return _frozen(stack, chance, lost_after=600)


def _frozen(stack: Platform, chance: random.Random, lost_after: int) -> str:
    """A host frozen for longer than `host_lost_after` and then thawed: nothing of it has an effect after its runs went
    on elsewhere. Reruns, failures with their undo, and runs that continue as new until it is given up."""
    token = stack.token
    small = {"CODEAI_WORKER_SOFT_EVENTS": "60", "CODEAI_WORKER_HARD_EVENTS": "90"}
    settings = {
        "CODEAI_WORKER_HOST_LOST_AFTER": f"{lost_after}s",
        "CODEAI_WORKER_COMMANDS_AT_ONCE": "30",
    } | small
    flows = HostWorker(stack, "flows", "workflows").until_ready()
    first = HostWorker(stack, "first", "exec", **settings).until_ready()
    effects = stack.folder / "effects"
    effects.mkdir()
    thawed = effects / "thawed"

    def command(name: str, on_lost: str) -> str:
        return (
            f'exec(on_lost: "{on_lost}", timeout: "1h") {{ touch ours; ls | wc -l; f="{effects}/{name}"; '
            f'echo "begin $CODEAI_ATTEMPT" >> "$f"; if [ "$CODEAI_ATTEMPT" = 1 ]; '
            f'then while [ ! -e "{thawed}" ]; do sleep 0.05; done; sleep {THAW}; echo "goes on" >> "$f"; fi; '
            f'echo "end $CODEAI_ATTEMPT" >> "$f" }}'
        )

    kinds = ("rerun", "fails", "continues")
    programs, wanted = {}, {}
    for number in range(24):
        kind = kinds[number % 3]
        name = f"{kind}-{number}"
        undo = f'undo {{ echo "undo $CODEAI_STEP_OUTCOME" >> "{effects}/{name}" }}'
        timers = f'for n in range(60) {{ sleep("{(60 + lost_after) * 10}ms") }}'
        programs[name] = {
            "rerun": f"exec {{ touch other }}\nreturn {command(name, 'rerun')}",
            "fails": f"{command(name, 'fail')} {undo}",
            "continues": f'return parallel for what in ["it", "timers"] {{ if what == "it" {{ return '
            f"{command(name, 'rerun')} }} else {{ {timers} }} }}",
        }[kind]
        wanted[name] = ["begin 1", "undo lost"] if kind == "fails" else ["begin 1", "begin 2", "end 2"]
    ids = {}
    for name, program in programs.items():
        status, _, answer = stack.request("POST", "/executions", {"program": program}, token=token)
        assert status == 202, answer
        ids[name] = answer["id"]
    for name in programs:
        wait_until(lambda name=name: (effects / name).exists(), 60, f"{name} to begin")
    second = HostWorker(stack, "second", "exec", **settings).until_ready()
    began = time.monotonic()
    with first.frozen():
        time.sleep(lost_after)  # none is given up sooner
        ended = {name: stack.ended(id, token, 240) for name, id in ids.items()}
        took = time.monotonic() - began
        time.sleep(chance.uniform(0, 2))
    thawed.touch()
    wait_until(lambda: not first.commands(), 20, "the commands of the thawed host to be dead")
    said = {name: (effects / name).read_text().splitlines() for name in programs}
    assert said == wanted, {name: said[name] for name in said if said[name] != wanted[name]}
    for name, one in ended.items():
        failed = name.startswith("fails")
        assert one["status"] == ("failed" if failed else "complete"), (name, one)
        assert not failed or one["error"]["kind"] == "lost", one
        _, _, steps = stack.request("GET", f"/executions/{ids[name]}/steps?limit=100", token=token)
        assert {step["status"] for step in steps["items"]} <= {"succeeded", "lost"}, steps
    codes = [worker.stop() for worker in (flows, first, second)]
    assert codes == [0, 0, 0], codes
    return (
        f"24 runs on a frozen host went on elsewhere within {took:.0f} s; after the thaw it did nothing more"
    )


def restarts(stack: Platform, chance: random.Random) -> str:
    """After a worker's restart a run goes on: within 1 s of the worker being up where a command was under way, within
    6 s where a workflow task was in its hands. And every orderly stop ends with 0."""
    worker = HostWorker(stack, "worker", "all").until_ready()
    commands, tasks = [], []
    for number in range(20):
        first, then = stack.folder / f"first-{number}", stack.folder / f"then-{number}"
        has_task = number % 2 == 1
        between = "var n = 0\nwhile n < 400000 { n += 1 }\n" if has_task else ""
        busy = "" if has_task else "sleep 1.5"
        stack.detach(f'exec {{ touch "{first}"; {busy} }}\n{between}exec {{ touch "{then}" }}')
        wait_until(first.exists, 60, "the first command")
        time.sleep(chance.uniform(0.1, 0.6))
        if number % 4 < 2:
            worker.process.kill()
            worker.process.wait()
        else:
            code = worker.stop()
            assert code == 0, code
        assert not then.exists()
        time.sleep(2)
        worker.restart()
        up = time.time()
        wait_until(then.exists, 60, "the run to go on")
        (tasks if has_task else commands).append(then.stat().st_mtime - up)
    assert worker.stop() == 0
    assert max(commands) < 1 and max(tasks) < 6, (commands, tasks)
    return (
        f"a command under way: {sorted(commands)[5]:.2f} s (at most {max(commands):.2f}); "
        f"a workflow task in hand: {sorted(tasks)[5]:.2f} s (at most {max(tasks):.2f})"
    )


ITEMS = {
    "restarts": Item(restarts, ("--no-worker",)),
    "random_kills": Item(random_kills, ("--no-worker",), {"CODEAI_API_RATE": "off"}),
    "frozen_hosts": Item(frozen_hosts, ("--no-worker",)),
    "frozen_for_real": Item(frozen_for_real, ("--no-worker",)),
}
