"""Lanes under kills: many starts on one lane, never two at once, in their order, none forgotten."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from temporalio.client import Client
from temporalio.service import RPCError

from tests.platform import Platform, wait_until
from tests.soak.histories import must_replay
from tests.soak.item import Item

PROGRAM = """
param file
param n
param gate = ""
exec { echo "begin $n" >> "$file" }
if gate != "" { exec(timeout: "1h") { while [ ! -e "$gate" ]; do sleep 0.1; done } }
exec { echo "end $n" >> "$file" }
"""


def in_turn(stack: Platform, starts: int, seconds: float) -> list[str]:
    """Starts so many runs while one has the lane, lets that one go, and answers what was begun and ended, in order."""
    name, token = f"lane-{uuid.uuid4().hex}", stack.token
    file, gate = stack.folder / f"{name}.did", stack.folder / f"{name}.gate"

    def sure(path: str, body: Any, wanted: int) -> dict[str, Any]:
        """Posted until the answer is the wanted one: servers die meanwhile, and what was accepted is asked again."""
        key = {"Idempotency-Key": uuid.uuid4().hex}

        def answered() -> dict[str, Any] | None:
            try:
                status, _, answer = stack.request("POST", path, body, key, token)
            except OSError:
                return None
            found: dict[str, Any] = answer
            return found if status == wanted else None

        made: dict[str, Any] = wait_until(answered, 120, f"POST {path}")
        return made

    config = sure("/configs", {"name": name, "content": PROGRAM}, 201)
    deployment = sure("/deployments", {"name": name, "config_id": config["id"]}, 201)

    def start(n: int, **more: str) -> None:
        sure(f"/deployments/{name}/execute", {"inputs": {"file": str(file), "n": n, **more}}, 202)

    start(0, gate=str(gate))
    wait_until(file.exists, 120, "the first run to have the lane")
    for n in range(1, starts):
        start(n)
    lane = f"lane/{deployment['id']}"
    wait_until(lambda: len(_queue(stack, lane)) == starts - 1, seconds, "all others to wait")
    gate.touch()
    last = f"end {starts - 1}"
    wait_until(lambda: last in file.read_text().splitlines(), seconds, "the last run to have ended")
    wait_until(lambda: _holder(stack, lane) is None, 120, "the lane to be free")
    return file.read_text().splitlines()


def turns(starts: int) -> list[str]:
    """What they are to have done."""
    return [f"{what} {n}" for n in range(starts) for what in ("begin", "end")]


def _status(stack: Platform, lane: str) -> dict[str, Any]:
    async def asked() -> dict[str, Any]:
        client = await Client.connect(f"127.0.0.1:{stack.temporal}")
        found: dict[str, Any] = await client.get_workflow_handle(lane).query("status")
        return found

    try:
        return asyncio.run(asyncio.wait_for(asked(), 10))
    except (RPCError, RuntimeError, TimeoutError):  # no worker, or no server at this moment
        return {"queue": [], "holder": "?"}


def _queue(stack: Platform, lane: str) -> list[Any]:
    found: list[Any] = _status(stack, lane)["queue"]
    return found


def _holder(stack: Platform, lane: str) -> Any:
    return _status(stack, lane)["holder"]


@contextmanager
def meanwhile(act: Callable[[], None], pause: Callable[[], float]) -> Iterator[None]:
    """Does that again and again beside the block."""
    over = threading.Event()

    def acting() -> None:
        while not over.wait(pause()):
            act()

    thread = threading.Thread(target=acting)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def kills(stack: Platform, chance: random.Random) -> str:
    """100 starts on one lane, while the worker is killed every few seconds and Temporal now and then."""
    starts, killed, began = 100, {"worker": 0, "temporal": 0}, time.monotonic()
    worker = stack.worker()
    which = itertools.cycle(["worker", "worker", "worker", "temporal"])

    def kill() -> None:
        nonlocal worker
        child = next(which)
        killed[child] += 1
        if child == "temporal":
            stack.kill(child)
        else:
            worker.kill()
            worker.wait()
            worker = stack.worker()

    with meanwhile(kill, lambda: chance.uniform(1.0, 5.0)):
        did = in_turn(stack, starts, 900)
    worker.terminate()
    worker.wait(60)
    assert did == turns(starts), did
    took = f"{time.monotonic() - began:.0f} s, killed {killed}"
    return f"{starts} starts in {took}: one at a time, in order, none forgotten; {must_replay(stack)}"


ITEMS = {"lanes": Item(kills, ("--no-worker",))}
