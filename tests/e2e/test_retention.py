"""What is past its time goes: a pass of `ApplyRetention` over a real platform."""

from __future__ import annotations

import asyncio
import json
import uuid

import asyncpg
import pytest

from tests.e2e.test_events import temporal
from tests.platform import Platform, wait_until

pytestmark = pytest.mark.stack


def a_pass(stack: Platform) -> dict[str, object]:
    id = f"retention/{uuid.uuid4()}"
    words = ("--task-queue", "codeai-workflows", "--type", "ApplyRetention", "--workflow-id", id)
    temporal(stack, "workflow", "start", *words)
    shown = json.loads(temporal(stack, "workflow", "result", "--workflow-id", id, "--output", "json"))
    assert shown["status"] == "COMPLETED", shown
    result: dict[str, object] = shown["result"]
    return result


def _ended_long_ago(stack: Platform, execution: str) -> None:
    """Writes so in its row, as the worker could."""

    async def write() -> None:
        rows = await asyncpg.connect(stack.database("worker"))
        try:
            old = "UPDATE executions SET completed_at = now() - interval '8 days' WHERE id = $1"
            assert await rows.execute(old, execution) == "UPDATE 1"
        finally:
            await rows.close()

    asyncio.run(write())


def test_the_files_of_a_run_go_and_what_it_printed_stays(stack: Platform, token: str) -> None:
    ended = stack.run("exec { echo said; echo kept > file; mkdir -m 0 closed }")
    id = stack.detach("exec { echo x > file; while [ ! -e go ]; do sleep 0.05; done; cat file }")
    places = [stack.data / "workspaces" / "runs" / one for one in (ended["execution_id"], id)]
    wait_until(lambda: (places[1] / "work" / "file").exists(), 60, "the second run's file")
    _ended_long_ago(stack, ended["execution_id"])
    result = a_pass(stack)
    assert not result["silent"] and result["deleted"]["workspaces"] >= 1, result  # type: ignore[index]
    assert [place.exists() for place in places] == [False, True]
    (places[1] / "work" / "go").touch()
    assert stack.ended(id, token)["status"] == "complete"
    assert stack.command("logs", ended["execution_id"]).stdout == "said\n"
