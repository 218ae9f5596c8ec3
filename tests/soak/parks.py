"""Parked runs under kills: several people at once say what comes to their minds, and each word counts once."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.request import Request, urlopen

from temporalio.client import (
    Client,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError, RPCStatusCode

from tests.platform import Platform
from tests.soak.histories import must_replay
from tests.soak.item import Item
from tests.soak.lanes import meanwhile
from tests.soak.tails import stored

RUNS, SENDERS, TURNS = 24, 3, 3
BODY = """
var version = "bad"
exec { echo "made $f" >> "$file" } undo { echo "unmade $f" >> "$file" }
for k in range(3) {
    version = "bad"
    exec { echo "try $f $k $CODEAI_ATTEMPT $version" >> "$file"; test "$version" = good }
}
"""
ALONE = "param file\nvar f = 1\n" + BODY
BESIDE = "param file\nparallel for f in [2, 3] {" + BODY + "}\n"
"""A run's fibres are numbered from 1; those of a `parallel` follow. `f` is the fibre's number."""
SAID = re.compile(r"(retry|skip|set|rollback|abort) by .*?(?:, fibre (\d+).*)?: (c-[0-9a-f]{32})\n")
ANSWER = timedelta(seconds=5)


@dataclass(slots=True)
class Word:
    """One command that somebody sends. `taken`: what its answers said; None where there was none."""

    name: str
    way: str
    given: dict[str, Any]
    id: str
    taken: bool | None = None
    answers: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """A parked run, who talks to it, and what they have said."""

    stack: Platform
    token: str
    client: Client
    fibres: tuple[int, ...]
    harsh: bool
    id: str = ""
    words: list[Word] = field(default_factory=list)
    ended: dict[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> Any:
        return self.stack.folder / f"park-{id(self)}"

    async def begin(self) -> None:
        program = ALONE if self.fibres == (1,) else BESIDE
        body = {"program": program, "inputs": {"file": str(self.file)}, "failure_policy": "park"}
        status, _, answer = await asyncio.to_thread(
            self.stack.request, "POST", "/executions", body, None, self.token
        )
        assert status == 202, answer
        self.id = answer["id"]

    async def talk(self, chance: random.Random) -> None:
        """Until the run has ended."""
        while not self.ended:
            word = self._word(chance)
            self.words.append(word)
            await (self._by_api(word) if word.way == "api" else self._by_temporal(word))
            await asyncio.sleep(chance.uniform(0, 1.2))
            _, _, found = await self._asked("GET", f"/executions/{self.id}")
            if found["status"] in ("complete", "failed"):
                self.ended = found

    def _word(self, chance: random.Random) -> Word:
        kinds = {"set": 40, "retry": 40, "skip": 8} | ({"rollback": 1.5, "abort": 1.5} if self.harsh else {})
        [name] = chance.choices([*kinds], [*kinds.values()])
        # Of a run that has failed `retry` by the API would begin another one: there it comes by Temporal.
        way = chance.choice(("update", "signal") if self.harsh else ("api", "update", "signal"))
        id = f"c-{chance.getrandbits(128):032x}"
        given: dict[str, Any] = {"comment": id}
        if chance.random() < (0.8 if len(self.fibres) > 1 else 0.1):
            given["fibre"] = chance.choice((*self.fibres, 9) if chance.random() < 0.1 else self.fibres)
        if name == "set":
            unknown = chance.random() < 0.05
            given |= {
                "name": "nothing" if unknown else "version",
                "value": chance.choice(("good", "good", "worse")),
            }
        if name == "skip":
            given["value"] = None
        if way != "api":
            given["by"] = "ann"
        return Word(name, way, given, id)

    async def _asked(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], Any]:
        while True:
            try:
                return await asyncio.to_thread(self.stack.request, method, path, body, headers, self.token)
            except OSError:
                await asyncio.sleep(0.2)

    async def _by_api(self, word: Word) -> None:
        path, key = f"/executions/{self.id}/{word.name}", {"Idempotency-Key": word.id}
        for _again in range(random.Random(word.id).choice((1, 1, 2))):  # a second click is the same word
            status, _, answer = await self._asked("POST", path, word.given, key)
            assert status < 500, (answer, self._log_of(answer))
            word.answers.append(answer)
            taken = None if status == 202 else status < 300
            assert word.taken is None or taken in (None, word.taken), word
            if len(word.answers) == 1 or taken:  # a refusal behind a 202 may be that the run has ended since
                word.taken = taken

    async def _by_temporal(self, word: Word) -> None:
        run = self.client.get_workflow_handle(f"execution/{self.id}")
        while word.taken is None:
            try:
                if word.way == "signal":
                    await run.signal(word.name, word.given, rpc_timeout=ANSWER)
                    return
                await run.execute_update(word.name, word.given, id=word.id, rpc_timeout=ANSWER)
                word.taken = True
            except WorkflowUpdateFailedError:
                word.taken = False
            except WorkflowUpdateRPCTimeoutOrCancelledError:
                pass
            except RPCError as error:
                if (
                    error.status is RPCStatusCode.NOT_FOUND
                ):  # it has ended; an update may have been its last word
                    return

    def _log_of(self, problem: dict[str, Any]) -> list[str]:
        """What the API's own log says of a request that it could not answer."""
        lines = (self.stack.data / "logs" / "api.log").read_text().splitlines()
        return [line for line in lines if problem["request_id"] in line]

    def did(self) -> dict[int, list[str]]:
        """What the commands of each fibre did, in order. One that was ended at its begin has done nothing."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return {fibre: [line for line in lines if line.split()[1] == str(fibre)] for fibre in self.fibres}

    def check(self, log: list[dict[str, Any]], audited: Counter[str]) -> Counter[str]:
        """Each word once where it was taken, nowhere where it was not; and the commands did what the words say, in the
        order of the log. Answers how many words of which way were taken and refused."""
        heard = [match for line in log if (match := SAID.fullmatch(line["text"]))]
        times = Counter(match[3] for match in heard)
        for word in self.words:
            wanted = (0, 1) if word.taken is None else (int(word.taken),)
            assert times[word.id] in wanted and audited[word.id] == times[word.id], (word, times[word.id])
        values = {word.id: word.given.get("value") for word in self.words}
        ways = {word.id: word.way for word in self.words}
        planned = {fibre: Plan(fibre) for fibre in self.fibres}
        ends: list[str] = []
        for name, fibre, id in (match.groups() for match in heard):
            if name in ("rollback", "abort"):
                ends.append(name)
            if not ends:
                planned[int(fibre)].hear(name, values[id])
        status = "failed" if ends else "complete"
        assert self.ended["status"] == status, (self.ended, ends)
        why = self.ended["error"] and self.ended["error"]["kind"]
        assert why in (("exec_failed", "cancelled") if ends else (None,)), (self.ended, ends)
        for fibre, did in self.did().items():
            undone = [line for line in did if line.startswith("unmade")]
            tried, plan = did[: len(did) - len(undone)], planned[fibre].lines
            # An abort in mid-undo lets the block under way end, if one is.
            fitting = (did[-1:], []) if ends[1:] else (did[-1:],) if ends == ["rollback"] else ([],)
            assert undone in fitting, (fibre, ends, did, self.ended, [line["text"] for line in log])
            # What was under way, or about to be, when the run was ended may not have come.
            assert tried == plan or (ends and tried == plan[: len(tried)]), (fibre, ends, tried, plan)
        return Counter(f"{ways[id]}s" for id in times.elements()) + Counter(
            refused=sum(word.taken is False for word in self.words)
        )


@dataclass(slots=True)
class Plan:
    """What one fibre is to have done after the words that it has heard."""

    fibre: int
    turn: int = 0
    attempt: int = 1
    version: str = "bad"
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lines.append(f"made {self.fibre}")
        self._try()

    def hear(self, name: str, value: Any) -> None:
        if name == "set":
            self.version = value
        elif name == "retry":
            self.attempt += 1
            self._try()
            if self.version == "good":
                self._next()
        else:
            self._next()

    def _next(self) -> None:
        self.turn, self.attempt, self.version = self.turn + 1, 1, "bad"
        if self.turn < TURNS:
            self._try()

    def _try(self) -> None:
        self.lines.append(f"try {self.fibre} {self.turn} {self.attempt} {self.version}")


def parks(stack: Platform, chance: random.Random) -> str:
    """24 runs that fail and park, in one fibre or two, while three people each set, retry, skip, roll back and abort at
    random by API, update and signal, and the worker is killed: each word is taken once or refused, no command runs
    twice, and what was done is what the words say in the order of the log."""
    worker, killed, began = stack.worker(), 0, time.monotonic()

    def kill() -> None:
        nonlocal worker, killed
        worker.kill()
        worker.wait()
        killed += 1
        worker = stack.worker()

    with meanwhile(kill, lambda: chance.uniform(0.5, 3.0)):
        runs = asyncio.run(asyncio.wait_for(_talked(stack, chance), 900))
    took = time.monotonic() - began
    audited = _audited(stack, runs[0].token)
    counted: Counter[str] = Counter()
    for run in runs:
        counted += run.check(stored(stack, run.id, run.token), audited)
    worker.terminate()
    worker.wait(60)
    ends = Counter(run.ended["status"] for run in runs)
    return (
        f"{RUNS} runs in {took:.0f} s, {killed} kills, words taken: {dict(counted)}; ended {dict(ends)}; "
        f"{must_replay(stack)}"
    )


async def _talked(stack: Platform, chance: random.Random) -> list[Run]:
    client, token = await Client.connect(f"127.0.0.1:{stack.temporal}"), stack.token
    kinds = [((1,), False), ((2, 3), False), ((1,), True), ((2, 3), True)]
    runs = [Run(stack, token, client, *kinds[number % 4]) for number in range(RUNS)]
    async with asyncio.TaskGroup() as group:
        for run in runs:
            await run.begin()
            for _ in range(SENDERS):
                group.create_task(run.talk(random.Random(chance.random())))
    return runs


def _audited(stack: Platform, token: str) -> Counter[str]:
    """How often each comment stands in the audit log."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/jsonl"}
    with urlopen(Request(f"{stack.url}/audit", headers=headers), timeout=60) as export:
        details = [json.loads(json.loads(line)["details"]) or {} for line in export]
    return Counter(one["comment"] for one in details if "comment" in one)


ITEMS = {"parks": Item(parks, ("--no-worker",), {"CODEAI_API_RATE": "off"})}
