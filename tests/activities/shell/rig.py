"""What the runner's tests share: a record in a file, a workflow that only runs commands, and steps."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, CancelledError

with workflow.unsafe.imports_passed_through():
    from codeai.activities.shell import formats
    from codeai.activities.shell.record import Chunk
    from codeai.activities.shell.spool import Spool
    from codeai.workflows.contracts.queues import exec_on
    from codeai.workflows.contracts.shell import CommandInput, CommandResult, Outcome

QUEUE = "commands"
HEARTBEATS = 4.0
"""Seconds without one after which Temporal gives the activity to another worker."""


@dataclass
class FileRecord:
    """A step record that every process of a test can read. While `<file>.down` is there, it is away."""

    file: Path

    async def started(self, step: CommandInput, host: str, at: datetime) -> bool:
        known = self.facts("started", step.step_id)
        self._write(what="started", step=step.step_id, attempt=step.attempt, host=host)
        return all(fact["attempt"] != step.attempt for fact in known)

    async def ending(self, step: CommandInput) -> CommandResult | None:
        for fact in self.facts("ended", step.step_id):
            if fact["attempt"] == step.attempt:
                return CommandResult.model_validate(fact["result"])
        return None

    async def output(self, execution_id: str, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            self._write(
                what="output",
                step=chunk.step_id,
                position=chunk.position,
                stream=chunk.stream,
                text=chunk.text,
                at=chunk.time.timestamp(),
            )

    async def ended(self, step: CommandInput, result: CommandResult, at: datetime) -> None:
        self._write(
            what="ended",
            step=step.step_id,
            attempt=step.attempt,
            outcome=result.outcome.value,
            result=result.model_dump(mode="json"),
        )

    def _write(self, **fact: Any) -> None:
        if self.file.with_suffix(".down").exists():
            raise ConnectionError("the database is away")
        with self.file.open("a") as file:
            file.write(json.dumps(fact) + "\n")

    def facts(self, what: str, step: str | None = None) -> list[dict[str, Any]]:
        if not self.file.exists():
            return []
        facts = [json.loads(line) for line in self.file.read_text().splitlines()]
        return [fact for fact in facts if fact["what"] == what and step in (None, fact["step"])]

    def text(self, step: str, stream: str | None = None) -> str:
        """The step's log as a reader sees it: each position once."""
        chunks = {fact["position"]: fact for fact in self.facts("output", step)}
        in_order = (chunks[position] for position in sorted(chunks))
        return "".join(chunk["text"] for chunk in in_order if stream in (None, chunk["stream"]))


def step(text: str, **more: Any) -> CommandInput:
    """A step of an execution of its own, unless `execution_id` is given."""
    execution = more.pop("execution_id", str(uuid.uuid4()))
    given = {"spool": "", "grace": 0.5, "timeout": 30.0} | more
    return CommandInput(
        execution_id=execution,
        workflow_id=f"commands/{execution}",
        step_id=str(uuid.uuid4()),
        seq=1,
        line=1,
        text=text,
        **given,
    )


@workflow.defn
class Commands:
    """Runs commands one after the other; one that is cancelled answers so."""

    @workflow.run
    async def run(self, host: str, steps: list[CommandInput]) -> list[CommandResult]:
        results = []
        for number, given in enumerate(steps, 1):
            handle = workflow.start_activity(
                "run_command",
                given,
                result_type=CommandResult,
                activity_id=f"{number}/{given.attempt}",
                task_queue=exec_on(host),
                start_to_close_timeout=timedelta(seconds=given.timeout + given.grace + 60),
                heartbeat_timeout=timedelta(seconds=HEARTBEATS),
                retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=1)),
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
            try:
                results.append(await handle)
            except (ActivityError, asyncio.CancelledError) as error:
                if isinstance(error, ActivityError) and not isinstance(error.cause, CancelledError):
                    raise
                results.append(CommandResult(outcome=Outcome.CANCELLED))
        return results


def fork_server(spool: Spool) -> int:
    """The process that starts supervisors."""
    return int((spool.path / formats.LISTENER_LOCK).read_text().split()[0])


def processes_with(mark: str) -> list[int]:
    """The processes whose environment holds `mark`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        if mark.encode() in environment:
            found.append(int(process.name))
    return found
