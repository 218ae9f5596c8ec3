"""What a soak has left in Temporal: every workflow's history can be replayed, so that whoever has it next can go on."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from temporalio.client import Client, WorkflowHistory

from tests.platform import Platform
from tests.workflows.test_replay import replayer

REPORTED = "TemporalReportedProblems IS NOT NULL"
"""Workflows whose tasks have failed again and again and do so still."""


def must_replay(stack: Platform) -> str:
    """All workflows of the platform, also those of lanes, changes and events. What cannot be replayed is kept."""
    return asyncio.run(_replayed(stack))


async def kept(client: Client, id: str) -> Path:
    """The history of a workflow in a file that outlives the platform."""
    return _written(await client.get_workflow_handle(id).fetch_history())


async def _replayed(stack: Platform) -> str:
    client = await Client.connect(f"127.0.0.1:{stack.temporal}")
    stuck = [await kept(client, one.id) async for one in client.list_workflows(REPORTED)]
    found, problems = 0, {}
    async for history in client.list_workflows().map_histories():
        found += 1
        replayed = await replayer().replay_workflow(history, raise_on_replay_failure=False)
        if replayed.replay_failure is not None:
            problems[_written(history)] = replayed.replay_failure
    assert not problems and not stuck, (problems, stuck)
    return f"{found} histories replayed"


def _written(history: WorkflowHistory) -> Path:
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        file.write(history.to_json())
    return Path(file.name)
