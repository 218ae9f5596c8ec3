"""A mixture of everything under faults of every kind: no run is stuck, and every history can be replayed."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError

from codeai.workflows.contracts.executions import ENDED
from tests.platform import Platform
from tests.soak.histories import kept, must_replay
from tests.soak.hosts import HostWorker, stopped
from tests.soak.item import Item
from tests.soak.lanes import meanwhile

SECONDS, PEOPLE, MOST_OPEN = 100, 6, 12
ACT = """
param file
function act(what) {
    exec { sleep 0.1; echo "$what $CODEAI_STEP_ID/$CODEAI_ATTEMPT" >> "$file" } undo {
        echo "undo $CODEAI_STEP_ID/$CODEAI_ATTEMPT" >> "$file"
    }
}
"""
CHILD = ACT + 'act("child")\nsleep("1s")\nact("child")\n'
PROGRAM = (
    ACT
    + """
var version = "bad"
for n in range(3) {
    act("alone")
    parallel for what in ["event", "approval", "timer", "emit", "child", "fails"] {
        act(what)
        try {
            if what == "event" { wait_event("custom.mixture", timeout: "5s") }
            if what == "approval" { approve("Go on?", timeout: "10s") }
            if what == "timer" { for k in range(10) { sleep("${k * 100}ms") } }
            if what == "emit" { emit("custom.mixture", {n: n}) }
            if what == "child" { run("mixture-child", inputs: {file: file}) }
        } catch problem { log(problem.kind) }
        if what == "fails" { exec { echo "try $CODEAI_STEP_ID/$CODEAI_ATTEMPT" >> "$file"; test "$version" = good } }
    }
}
"""
)
UNDER_WAY = "ExecutionStatus = 'Running' AND WorkflowType != 'Lane'"
ANSWER = timedelta(seconds=5)
QUERIES = (
    "status",
    "progress",
    "state",
    "approvals",
    "journal",
    "__stack_trace",
    "__temporal_workflow_metadata",
)
WORDS: dict[str, tuple[float, dict[str, Any]]] = {
    "set": (10, {"name": "version", "value": "good"}),
    "retry": (10, {}),
    "skip": (3, {"value": None}),
    "approve": (6, {}),
    "reject": (1, {}),
    "pause": (3, {}),
    "resume": (6, {}),
    "patch": (2, {"program": PROGRAM + 'act("last")\n'}),
    "rollback": (0.5, {}),
    "abort": (0.5, {}),
    "cancel": (0.5, {}),
    "compensate": (1, {}),
}
"""What people say, how often, and what they say with it."""
BY_API = ("cancel", "compensate")
NO_ANSWER = (
    OSError,
    RPCError,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
"""Of who is just dying, or of a run that refuses; whoever it was, the run is to go on."""


@dataclass(slots=True)
class People:
    """Who start runs, and say and ask what comes to their minds."""

    stack: Platform
    token: str
    file: Path
    said: Counter[str] = field(default_factory=Counter)

    async def talk(self, chance: random.Random) -> None:
        """All of them at once, until the time is over."""
        client = await Client.connect(f"127.0.0.1:{self.stack.temporal}")
        until = time.monotonic() + SECONDS
        await asyncio.gather(
            *(self._talks(client, random.Random(chance.random()), until) for _ in range(PEOPLE))
        )

    async def _talks(self, client: Client, chance: random.Random, until: float) -> None:
        while time.monotonic() < until:
            with suppress(*NO_ANSWER):
                open_ones, ids = await self._runs()
                if open_ones < MOST_OPEN:
                    await self._start(chance)
                if ids:
                    await self._says(client, chance, chance.choice(ids))
            await asyncio.sleep(chance.uniform(0, 0.3))

    async def _runs(self) -> tuple[int, list[str]]:
        """How many of the newest are under way, and the ids of all of these."""
        _, _, page = await self._asked("GET", "/executions?limit=40")
        items = page.get("items", [])
        return sum(one["status"] not in ENDED for one in items), [one["id"] for one in items]

    async def _start(self, chance: random.Random) -> None:
        [name] = chance.choices(("program", "mixture-queue", "mixture-replace"), (4, 1, 1))
        inputs = {"file": str(self.file)}
        if name == "program":
            body = {"program": PROGRAM, "inputs": inputs, "failure_policy": "park"}
            await self._asked("POST", "/executions", body)
        else:
            await self._asked("POST", f"/deployments/{name}/execute", {"inputs": inputs})
        self.said["starts"] += 1

    async def _says(self, client: Client, chance: random.Random, id: str) -> None:
        way = chance.choice(("api", "update", "signal", "query", "query", "event"))
        [name] = chance.choices([*WORDS], [often for often, _ in WORDS.values()])
        given = WORDS[name][1]
        run: WorkflowHandle[Any, Any] = client.get_workflow_handle(f"execution/{id}")
        self.said[way] += 1
        if way == "query":
            await run.query(chance.choice(QUERIES), rpc_timeout=ANSWER)
        elif way == "event":
            await self._asked("POST", "/events", {"type": "custom.mixture", "data": {}})
        elif way == "api" or name in BY_API:
            await self._asked("POST", f"/executions/{id}/{name}", given)
        elif way == "update":
            await run.execute_update(name, {**given, "by": "ann"}, rpc_timeout=ANSWER)
        else:
            await run.signal(name, {**given, "by": "ann"}, rpc_timeout=ANSWER)

    async def _asked(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], Any]:
        return await asyncio.to_thread(self.stack.request, method, path, body, None, self.token)


@dataclass(slots=True)
class Faults:
    """What befalls the workers, Temporal and Postgres."""

    stack: Platform
    workers: list[HostWorker]
    chance: random.Random
    befell: Counter[str] = field(default_factory=Counter)

    def befall(self) -> None:
        """One of them, at random."""
        kinds = {"kill": 10, "kill two": 4, "freeze": 6, "kill Temporal": 2, "freeze Postgres": 2}
        [kind] = self.chance.choices([*kinds], [*kinds.values()])
        self.befell[kind] += 1
        if kind == "kill Temporal":
            self.stack.kill("temporal")
        elif kind == "freeze Postgres":
            postgres = self.stack.child("postgres")
            children = Path(f"/proc/{postgres}/task/{postgres}/children").read_text().split()
            self._freeze([postgres, *map(int, children)])
        elif kind == "freeze":
            self._freeze([self.chance.choice(self.workers).process.pid])
        else:
            for worker in self.chance.sample(self.workers, 2 if kind == "kill two" else 1):
                worker.kill_and_restart()

    def _freeze(self, pids: list[int]) -> None:
        """For up to as long as it takes until a workflow task is given to somebody else."""
        with stopped(pids):
            time.sleep(self.chance.uniform(0.2, 7))


def mixture(stack: Platform, chance: random.Random) -> str:
    """Programs of all effects, also in lanes and as children, that continue as new every few statements. Six people
    start them, tell them and ask them whatever can be told and asked, while workers, Temporal and Postgres are killed
    and frozen: all runs end when they are cancelled, no command has an effect twice, every history can be replayed."""
    token = stack.token
    settings = {
        "CODEAI_WORKER_HOST_LOST_AFTER": "10m",
        "CODEAI_WORKER_SOFT_EVENTS": "80",
        "CODEAI_WORKER_HARD_EVENTS": "120",
    }
    kinds = [("one", "all", "host"), ("two", "all", "host"), ("flows", "workflows", "flows")]
    workers = [HostWorker(stack, *kind, **settings).until_ready() for kind in kinds]
    config = stack.request("POST", "/configs", {"name": "mixture-child", "content": CHILD}, token=token)[2]
    for concurrency in ("queue", "replace"):
        body = {
            "name": f"mixture-{concurrency}",
            "config_id": config["id"],
            "concurrency": concurrency,
            "concurrency_key": "mixture",
        }
        status, _, answer = stack.request("POST", "/deployments", body, token=token)
        assert status == 201, answer
    people, faults = People(stack, token, stack.folder / "did"), Faults(stack, workers, chance)
    with meanwhile(faults.befall, lambda: chance.uniform(0.5, 3.0)):
        asyncio.run(people.talk(random.Random(chance.random())))
    for worker in workers:
        worker.until_ready()
    asyncio.run(_ended(stack))
    did = Counter(line.partition(" ")[2] for line in people.file.read_text().splitlines())
    twice = [command for command, times in did.items() if times > 1]
    assert twice == [], twice
    replayed = must_replay(stack)
    codes = [worker.stop() for worker in workers]
    assert codes == [0] * len(workers), codes
    return f"{len(did)} commands, {dict(people.said)}, {dict(faults.befell)}: each command once, {replayed}"


async def _ended(stack: Platform) -> None:
    """Cancels all runs until none is under way. Only lanes may be."""
    client = await Client.connect(f"127.0.0.1:{stack.temporal}")
    until, cancelled = time.monotonic() + 120, set[str]()
    while left := [one.id async for one in client.list_workflows(UNDER_WAY)]:
        for id in {*left} - cancelled:
            with suppress(RPCError):
                await client.get_workflow_handle(id).cancel()
                cancelled.add(id)
        assert time.monotonic() < until, f"stuck: {[await kept(client, id) for id in left]}"
        await asyncio.sleep(0.5)


ITEMS = {"mixture": Item(mixture, ("--no-worker",), {"CODEAI_API_RATE": "off"})}
