"""Runs random programs twice, undisturbed and under kills, and compares what each did and how it ended."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from codeai.dsl.brief import brief
from codeai.workers import registry
from tests.platform import Platform, wait_until
from tests.torture.programs import CHILD, program_of

EVENTS = {"CODEAI_WORKER_SOFT_EVENTS": "40", "CODEAI_WORKER_HARD_EVENTS": "70"}
"""Events from which a run continues as new while it is tortured."""
OVER = ("complete", "failed", "cancelled", "compensated")


@dataclass(frozen=True)
class Outcome:
    """How a program ended, and what each of its fibres did, in its order."""

    status: str
    result: Any
    error: tuple[str, int | None, str] | None
    fibres: dict[str, list[str]]


@dataclass(frozen=True)
class Torture:
    """Many programs on one platform; `stack` runs without a worker."""

    stack: Platform
    seed: int
    programs: int

    def run(self) -> str:
        """The figures. AssertionError where a program did not end as it does undisturbed."""
        token = self.stack.token
        texts = [program_of(self.seed + number) for number in range(self.programs)]
        worker = self.stack.worker()
        self._save_child(token)
        calm = self._ended(self._start(texts, "calm", token), "calm", token)
        _stop(worker)
        self.stack.environment.update(EVENTS)
        worker = self.stack.worker()
        began = time.monotonic()
        ids = self._start(texts, "tortured", token)
        worker, kills = self._killing(worker, ids, token)
        tortured = self._ended(ids, "tortured", token)
        took = time.monotonic() - began
        for number, text in enumerate(texts):
            assert tortured[number] == calm[number], (
                f"seed {self.seed}, program {number}:\n{text}\n"
                f"undisturbed: {calm[number]}\nkilled:      {tortured[number]}"
            )
        runs, replayed = asyncio.run(self._replayed(ids))
        _stop(worker)
        for number, id in enumerate(ids):
            self._trace(id, tortured[number], token)
        commands = sum(len(lines) for one in calm for lines in one.fibres.values())
        ends = Counter(one.status for one in calm)
        return (
            f"{self.programs} programs ({', '.join(f'{n} {how}' for how, n in sorted(ends.items()))}), "
            f"{commands} commands, {kills} kills in {took:.0f} s: all as undisturbed; "
            f"{replayed} histories of {runs} runs replayed"
        )

    def _save_child(self, token: str) -> None:
        body = {"name": "torture-child", "content": CHILD}
        status, _, answer = self.stack.request("POST", "/configs", body, token=token)
        assert status == 201, answer

    def _file(self, phase: str, number: int) -> Path:
        return self.stack.folder / f"{phase}-{number}"

    def _start(self, texts: Sequence[str], phase: str, token: str) -> list[str]:
        ids = []
        for number, text in enumerate(texts):
            body = {"program": text, "inputs": {"file": str(self._file(phase, number))}}
            status, _, answer = self.stack.request("POST", "/executions", body, token=token)
            assert status == 202, (answer, text)
            ids.append(answer["id"])
        return ids

    def _killing(self, worker: Popen[bytes], ids: Sequence[str], token: str) -> tuple[Popen[bytes], int]:
        """Kills the worker at random moments until every run has ended; later, where the one before got nothing done
        (Temporal repeats a workflow task that a dead worker had only after its time-out)."""
        chance, kills, patience, seen = random.Random(self.seed), 0, 1.5, -1
        until = time.monotonic() + 60 + 20 * len(ids)
        while time.monotonic() < until and not all(self._view(id, token) for id in ids):
            time.sleep(chance.uniform(0.1, patience))
            worker.kill()
            worker.wait()
            kills += 1
            worker = self.stack.worker()
            done = sum(self._lines("tortured", number) for number in range(len(ids)))
            patience, seen = (1.5 if done > seen else min(2 * patience, 12.0)), done
        return worker, kills

    def _lines(self, phase: str, number: int) -> int:
        file = self._file(phase, number)
        return file.read_bytes().count(b"\n") if file.exists() else 0

    def _view(self, id: str, token: str) -> dict[str, Any] | None:
        status, _, view = self.stack.request("GET", f"/executions/{id}", token=token)
        return view if status == 200 and view["status"] in OVER else None

    def _ended(self, ids: Sequence[str], phase: str, token: str) -> list[Outcome]:
        outcomes = []
        for number, id in enumerate(ids):
            view = wait_until(lambda id=id: self._view(id, token), 300, f"the end of program {number}")
            error = view["error"]
            fibres: dict[str, list[str]] = {}
            file = self._file(phase, number)
            for line in file.read_text().splitlines() if file.exists() else ():
                where, _, site = line.partition(" ")
                fibres.setdefault(where, []).append(site)
            outcomes.append(
                Outcome(
                    view["status"],
                    view["result"],
                    error and (error["kind"], error["line"], error["message"]),
                    fibres,
                )
            )
        return outcomes

    def _trace(self, id: str, ended: Outcome, token: str) -> None:
        """Run again on what was recorded, the program ends as it did."""
        status, _, found = self.stack.request("GET", f"/executions/{id}/trace?from=-100", token=token)
        assert status == 200 and found["complete"] and found["cut"] is None, (id, found)
        last = [entry for entry in found["items"] if entry["kind"] != "undo"][-1]
        if ended.error is not None:
            assert last["error"]["message"] == brief(ended.error[2]), (id, ended, last)
        else:
            assert last["value"] == brief(ended.result), (id, ended, last)

    async def _replayed(self, ids: Sequence[str]) -> tuple[int, int]:
        """Replays the history of every workflow run of the executions. How many executions, how many histories."""
        client = await Client.connect(
            f"127.0.0.1:{self.stack.temporal}", data_converter=pydantic_data_converter
        )
        replayer = Replayer(
            workflows=registry.WORKFLOWS,
            workflow_runner=UnsandboxedWorkflowRunner(),
            data_converter=pydantic_data_converter,
        )
        histories: list[WorkflowHistory] = []
        for id in ids:
            async for run in client.list_workflows(f"WorkflowId = 'execution/{id}'"):
                handle = client.get_workflow_handle(run.id, run_id=run.run_id)
                histories.append(await handle.fetch_history())
        for history in histories:
            await replayer.replay_workflow(history)
        return len(ids), len(histories)


def _stop(worker: Popen[bytes]) -> None:
    worker.terminate()
    worker.wait(60)
