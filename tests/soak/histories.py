"""What a soak has left in Temporal: every workflow's history can be replayed, so that whoever has it next can go on."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from temporalio.client import Client

from tests.platform import Platform
from tests.workflows.test_replay import replayer

REPORTED = "TemporalReportedProblems IS NOT NULL"
"""Workflows whose tasks have failed again and again and do so still."""


def must_replay(stack: Platform) -> str:
    """All workflows of the platform, also those of lanes, changes and events. A history that cannot be replayed is
    kept in a file that the error names."""
    return asyncio.run(_replayed(stack))


async def _replayed(stack: Platform) -> str:
    client = await Client.connect(f"127.0.0.1:{stack.temporal}")
    stuck = [one.id async for one in client.list_workflows(REPORTED)]
    found = 0
    problems = {}
    async for history in client.list_workflows().map_histories():
        found += 1
        replayed = await replayer().replay_workflow(history, raise_on_replay_failure=False)
        if replayed.replay_failure is not None:
            with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as kept:
                kept.write(history.to_json())
            problems[history.workflow_id] = (Path(kept.name), replayed.replay_failure)
    assert not problems and not stuck, (problems, stuck)
    return f"{found} histories replayed"
