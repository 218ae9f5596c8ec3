"""Runs under kills: of workers, of Temporal, of Postgres, in long loops."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.e2e.test_durability import COUNTING, effects, once_each
from tests.platform import Platform, wait_until
from tests.soak.item import Item


def kills(stack: Platform, chance: random.Random) -> str:
    """SIGKILL of the worker at random moments under ten programs, also in mid-command: every exec exactly once."""
    token, killed, programs, steps = stack.token, 0, 10, 20
    files = [stack.folder / f"kills-{number}" for number in range(programs)]
    given = ("-i", f"steps={steps}", "-i", "pause=0.2")
    ids = [stack.detach(COUNTING, "-i", f"file={file}", *given) for file in files]
    until = time.monotonic() + 900
    worker = stack.worker()
    while any(len(effects(file)) < 2 * steps for file in files) and time.monotonic() < until:
        time.sleep(chance.uniform(0.0, 2.0))
        worker.kill()
        worker.wait()
        killed += 1
        worker = stack.worker()
    for id, file in zip(ids, files, strict=True):
        ended = stack.ended(id, token)
        assert (ended["status"], ended["result"]) == ("complete", steps), ended
        assert effects(file) == once_each(steps), file
    worker.terminate()
    worker.wait(60)
    return f"{killed} kills over {programs * steps} commands: each began and ended exactly once"


def servers(stack: Platform, chance: random.Random) -> str:
    """SIGKILL of Temporal and of Postgres in turn while programs run: nothing lost, no row wrong."""
    token = stack.token
    for number in range(10):
        child = ("temporal", "postgres")[number % 2]
        file = stack.folder / f"servers-{number}"
        id = stack.detach(COUNTING, "-i", f"file={file}", "-i", "steps=10", "-i", "pause=0.3")
        time.sleep(chance.uniform(0.2, 3.0))
        stack.kill(child)
        ended = stack.ended(id, token)
        assert (ended["status"], ended["result"]) == ("complete", 10), (child, ended)
        assert effects(file) == once_each(10), (child, file)
        _, _, steps = stack.request("GET", f"/executions/{id}/steps?limit=100", token=token)
        assert [step["status"] for step in steps["items"]] == ["succeeded"] * 10, child
    return "10 kills of Temporal and Postgres: every command once, every row right"


def long_loop(stack: Platform, chance: random.Random) -> str:
    """5,000 execs in one program with ten kills of the worker on the way; history stays bounded."""
    return _loop(stack, chance, steps=5_000, kills=10)


def longest_loop(stack: Platform, chance: random.Random) -> str:
    """20,000 execs in one program with fifty kills of the worker on the way."""
    return _loop(stack, chance, steps=20_000, kills=50)


def _loop(stack: Platform, chance: random.Random, steps: int, kills: int) -> str:
    file = stack.folder / "long"
    id = stack.detach(COUNTING, "-i", f"file={file}", "-i", f"steps={steps}", "-i", "pause=0")
    began = time.monotonic()
    worker = stack.worker()
    apart = 2 * steps // (kills + 1)
    for number in range(kills):
        goal = (number + 1) * apart + chance.randrange(-apart // 5, apart // 5)
        wait_until(lambda goal=goal: _lines(file) > goal, 900, f"{goal} effects")
        worker.kill()
        worker.wait()
        worker = stack.worker()
    ended = stack.ended(id, stack.token, 3600)
    worker.terminate()
    worker.wait(60)
    assert (ended["status"], ended["result"]) == ("complete", steps), ended
    assert effects(file) == once_each(steps)
    return f"{steps:,} commands, {kills} kills, {time.monotonic() - began:.0f} s: each exactly once"


def _lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


ITEMS = {
    "kills": Item(kills, ("--no-worker",)),
    "servers": Item(servers),
    "long_loop": Item(long_loop, ("--no-worker",)),
    "longest_loop": Item(longest_loop, ("--no-worker",)),
}
