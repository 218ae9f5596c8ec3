"""The live log: whatever dies and is cut meanwhile, who follows a run has its log once and whole, and soon."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import asyncpg

from codeai.activities.shell.formats import read
from codeai.cli.follow import TOO_MANY
from tests.platform import Platform, wait_until
from tests.soak.item import Item
from tests.soak.lanes import meanwhile

TALKS = """
param steps = 4
param lines = 100
for n in range(steps) {
    exec { for i in $(seq "$lines"); do echo "$n/$i ü"; [ $((i % 7)) != 0 ] || echo "not $n/$i" >&2; sleep 0.03; done }
    log("step ${n} is over")
}
"""
TIMES = 100
TIMED = f'exec(timeout: "10m") {{ for i in $(seq {TIMES}); do date +%s.%N; sleep 0.1; done }}'
TORRENT = 'exec(timeout: "10m") { timeout -s INT 10 dd if=/dev/zero bs=1M || true; echo over }'
PAGE = 100
CUT_AFTER = 1.5
"""Seconds at most until a client hangs up."""


@dataclass(slots=True)
class Client:
    """One that follows a run by server-sent events, hangs up again and again, also in mid-event, and comes back with
    the id of the last whole event."""

    stack: Platform
    id: str
    token: str
    chance: random.Random
    lines: list[dict[str, Any]] = field(default_factory=list)
    cuts: int = 0

    def follow(self, seconds: float) -> None:
        """Until the run's end was told."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                if self._once():
                    return
            except HTTPError as refused:
                assert refused.code == TOO_MANY or refused.code >= 500, refused
            except (OSError, HTTPException):
                pass  # the API is just dying, or not yet there
            self.cuts += 1
            time.sleep(self.chance.uniform(0, 0.3))
        raise AssertionError(f"the end of {self.id} was not told in {seconds:.0f} s")

    def _once(self) -> bool:
        headers = {"Authorization": f"Bearer {self.token}"}
        if self.lines:
            headers["Last-Event-ID"] = str(self.lines[-1]["offset"])
        asked = Request(f"{self.stack.url}/executions/{self.id}/logs?follow=true", headers=headers)
        hangs_up = time.monotonic() + self.chance.uniform(0, CUT_AFTER)
        rest = b""
        with urlopen(asked, timeout=30) as stream:
            while time.monotonic() < hangs_up:
                piece = stream.read1(self.chance.randrange(1, 4000))
                if not piece:
                    break
                *whole, rest = (rest + piece).split(b"\n\n")
                for event in whole:
                    if self._take(event):
                        return True
        return False

    def _take(self, event: bytes) -> bool:
        told = dict(part.split(b": ", 1) for part in event.split(b"\n"))
        if told.get(b"event") == b"log":
            self.lines.append(json.loads(told[b"data"]))
        return told.get(b"event") == b"end"


def stored(stack: Platform, id: str, token: str) -> list[dict[str, Any]]:
    """The run's log as it stands in the table."""
    lines: list[dict[str, Any]] = []
    cursor = ""
    while True:
        path = f"/executions/{id}/logs?limit={PAGE}{cursor}"
        _, _, page = stack.request("GET", path, token=token)
        lines += page["items"]
        if page["next_cursor"] is None:
            return lines
        cursor = f"&cursor={page['next_cursor']}"


def said(lines: list[dict[str, Any]], stdout: bool) -> str:
    """What of these lines a terminal shows on stdout, or beside it."""
    return "".join(line["text"] for line in lines if (line["stream"] == "stdout") is stdout)


def expected(steps: int, lines: int) -> tuple[str, str]:
    """What a run of TALKS is to have said: on stdout, and beside it."""
    out = "".join(f"{n}/{i} ü\n" for n in range(steps) for i in range(1, lines + 1))
    err = ""
    for n in range(steps):
        err += "".join(f"not {n}/{i}\n" for i in range(7, lines + 1, 7)) + f"step {n} is over\n"
    return out, err


def followed(
    stack: Platform, id: str, token: str, chance: random.Random, clients: int
) -> tuple[list[Client], subprocess.CompletedProcess[str]]:
    """Follows the run to its end, by several clients that hang up, and by `codeai logs -f`."""
    made = [Client(stack, id, token, random.Random(chance.random())) for _ in range(clients)]
    with ThreadPoolExecutor(clients + 1) as pool:
        shown = pool.submit(stack.command, "logs", "-f", id, timeout=300)
        for done in [pool.submit(client.follow, 300.0) for client in made]:
            done.result()
        return made, shown.result()


def must_agree(
    stack: Platform,
    id: str,
    token: str,
    clients: list[Client],
    shown: subprocess.CompletedProcess[str],
    wanted: tuple[str, str],
) -> None:
    """The table has what was said, and everybody who followed has the table."""
    lines = stored(stack, id, token)
    for text, one in zip((said(lines, True), said(lines, False)), wanted, strict=True):
        unlike = set(text.splitlines()) ^ set(one.splitlines())
        assert text == one, (len(text), len(one), sorted(unlike))
    for client in clients:
        assert client.lines == lines, (client.cuts, len(client.lines), len(lines))
    assert shown.returncode == 0, shown.stderr
    # A line of the other stream begins on a line of its own.
    assert (shown.stdout.replace("\n", ""), shown.stderr.replace("\n", "")) == tuple(
        text.replace("\n", "") for text in wanted
    )


def tails(stack: Platform, chance: random.Random) -> str:
    """Six runs, each followed by two clients that hang up at random and by `codeai logs -f`, while workers and the
    API are killed: everybody has the stored log, nothing missing, nothing twice."""
    token, killed = stack.token, {"worker": 0, "api": 0}
    ids = [stack.detach(TALKS) for _ in range(6)]
    worker = stack.worker()

    def kill() -> None:
        nonlocal worker
        if chance.random() < 0.3:
            stack.kill("api")
            killed["api"] += 1
            return
        worker.kill()
        worker.wait()
        killed["worker"] += 1
        worker = stack.worker()

    with meanwhile(kill, lambda: chance.uniform(0.5, 3.0)), ThreadPoolExecutor(len(ids)) as pool:
        ends = [pool.submit(followed, stack, id, token, random.Random(chance.random()), 2) for id in ids]
        seen = [end.result() for end in ends]
    cuts = 0
    for id, (clients, shown) in zip(ids, seen, strict=True):
        must_agree(stack, id, token, clients, shown, expected(4, 100))
        cuts += sum(client.cuts for client in clients)
    worker.terminate()
    worker.wait(60)
    return (
        f"{len(ids)} runs, {2 * len(ids)} clients cut {cuts} times, {killed['worker']} kills of workers, "
        f"{killed['api']} of the API: everybody has every line once"
    )


def lags(stack: Platform, id: str, token: str) -> list[float]:
    """For each line of a run of TIMED: seconds from its being printed until a client has it."""
    found = []
    headers = {"Authorization": f"Bearer {token}"}
    with urlopen(
        Request(f"{stack.url}/executions/{id}/logs?follow=true", headers=headers), timeout=60
    ) as stream:
        for raw in stream:
            if raw.startswith(b'data: {"offset"'):
                now = time.time()
                found += [now - float(line) for line in json.loads(raw[6:])["text"].split()]
    return found


def _told(found: list[float]) -> str:
    return f"{statistics.median(found):.2f} s (at most {max(found):.2f})"


def lag(stack: Platform, _chance: random.Random) -> str:
    """A line that a command prints is in the table within half a second, and with who follows it just after; the first
    one of a run within a second of its start being accepted."""
    token = stack.token
    firsts, followers, table = [], [], []
    for _round in range(6):
        began = time.time()
        status, _, started = stack.request("POST", "/executions", {"program": TIMED}, token=token)
        assert status == 202, started
        with ThreadPoolExecutor(1) as pool:
            looked = pool.submit(lambda id: asyncio.run(_lags_of_table(stack, id)), started["id"])
            of_run = lags(stack, started["id"], token)
            table += looked.result()
        first = float(stored(stack, started["id"], token)[0]["text"].split()[0])
        firsts.append(first + of_run[0] - began)
        followers += of_run
    told = (
        f"a line is in the table after {_told(table)}, with its reader after {_told(followers)}; the first one of a "
        f"run with its reader {_told(firsts[1:])} after the start, on a platform just begun {firsts[0]:.2f} s"
    )
    assert max(table) < 0.5 and max(firsts[1:]) < 1.0, told
    return told


async def _lags_of_table(stack: Platform, id: str) -> list[float]:
    """For each line of a run of TIMED: seconds from its being printed until it can be read in the table."""
    found: list[float] = []
    connection = await asyncpg.connect(stack.database("api"))
    try:
        offset = 0
        while len(found) < TIMES:
            asked = 'SELECT "offset", text FROM execution_logs WHERE execution_id = $1 AND "offset" > $2'
            for row in await connection.fetch(asked, id, offset):
                now = time.time()
                offset = max(offset, row["offset"])
                found += [now - float(line) for line in row["text"].split()]
            await asyncio.sleep(0.01)
    finally:
        await connection.close()
    return found


def torrent(stack: Platform, _chance: random.Random) -> str:
    """A step that writes as fast as it can for ten seconds: it costs no memory, and what another says is there as soon
    as ever."""
    token, most, over = stack.token, {"worker": 0, "supervisor": 0}, threading.Event()
    loud = stack.detach(TORRENT)
    supervisor: int = wait_until(lambda: _supervisor(stack), 60, "the torrent")
    worker = stack.child("worker")

    def watch() -> None:
        while not over.wait(0.05):
            for name, pid in (("worker", worker), ("supervisor", supervisor)):
                most[name] = max(most[name], _resident(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        quiet = stack.detach(TIMED)
        found = lags(stack, quiet, token)
        ended = stack.ended(loud, token)
    finally:
        over.set()
        watcher.join()
    assert ended["status"] == "complete", ended
    _, _, steps = stack.request("GET", f"/executions/{loud}/steps", token=token)
    rate = steps["items"][0]["stderr"].splitlines()[-1].rpartition(", ")[2]
    lines = stored(stack, loud, token)
    assert lines[-1]["stream"] == "system" and "is not kept" in lines[-1]["text"], lines[-1]
    assert sum(len(line["text"].encode()) for line in lines) < 35 << 20  # of a NUL three bytes are kept
    assert most["supervisor"] < 40 << 20 and most["worker"] < 300 << 20, most
    return (
        f"at {rate}: beside it a line was with its reader after {_told(found)}; the supervisor had at most "
        f"{most['supervisor'] >> 20} MiB, the worker {most['worker'] >> 20} MiB"
    )


def _supervisor(stack: Platform) -> int | None:
    """The process that owns the first command of the platform."""
    entries = (stack.data / "workspaces" / "spool").glob("attempts/*/*/entry")
    return next((int(entry.read_text().split()[1]) for entry in entries), None)


def _resident(pid: int) -> int:
    """Bytes; 0 of a process that has ended."""
    words = (read(f"/proc/{pid}/statm") or b"0 0").split()
    return int(words[1]) * 4096


ITEMS = {
    "tails": Item(tails, ("--no-worker",)),
    "lag": Item(lag),
    "torrent": Item(torrent),
}
