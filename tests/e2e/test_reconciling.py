"""Reconciliation: whatever ends a run, its row says so, and nothing of it goes on."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from codeai.workflows.contracts.kinds import RECONCILE
from codeai.workflows.contracts.schedules import PLATFORM_SCHEDULES
from tests.platform import Platform, wait_until

SCHEDULE = next(one.id for one in PLATFORM_SCHEDULES if one.kind is RECONCILE)

BUSY = """
param file
exec { true } undo { echo undone >> "$file" }
parallel for x in [1, 2, 3] {
    if x == 1 { exec { echo begun >> "$file"; sleep 60; echo ended >> "$file" } }
    if x == 2 { approve("Go on?") }
    if x == 3 { wait_event("custom.never", timeout: "1h") }
}
"""


def in_temporal(stack: Platform, act: Callable[[Client], Coroutine[Any, Any, Any]]) -> Any:
    async def acting() -> Any:
        return await act(await Client.connect(f"127.0.0.1:{stack.temporal}"))

    return asyncio.run(acting())


def terminate(stack: Platform, id: str) -> None:
    async def act(client: Client) -> None:
        await client.get_workflow_handle(f"execution/{id}").terminate(reason="by hand")

    in_temporal(stack, act)


def reconcile(stack: Platform) -> dict[str, int]:
    """One pass over everything."""

    async def act(client: Client) -> Any:
        return await client.execute_workflow(
            RECONCILE.type, {}, id=f"reconcile/{uuid.uuid4()}", task_queue=RECONCILE.queue
        )

    found: dict[str, int] = in_temporal(stack, act)
    return found


def busy(stack: Platform, token: str, file: Path) -> str:
    """A run with a command, an approval and a wait under way."""
    id = stack.detach(BUSY, "-i", f"file={file}")
    wait_until(file.exists, 60, "the command to run")

    def waits() -> bool:
        _, _, steps = stack.request("GET", f"/executions/{id}/steps", token=token)
        return len(steps["items"]) == 4

    wait_until(waits, 60, "the waits")
    return id


def test_a_terminated_run_is_seen_as_what_it_is(stack: Platform, token: str, tmp_path: Path) -> None:
    file = tmp_path / "did"
    id = busy(stack, token, file)
    terminate(stack, id)

    def failed() -> dict[str, Any] | None:
        _, _, found = stack.request("GET", f"/executions/{id}", token=token)
        return found if found["status"] == "failed" else None

    found: dict[str, Any] = wait_until(failed, 20, "the row to be mended")
    assert (found["error"]["kind"], "by hand" in found["error"]["message"]) == ("terminated", True)
    assert found["completed_at"] is not None

    def settled() -> list[str] | None:
        _, _, steps = stack.request("GET", f"/executions/{id}/steps", token=token)
        now = sorted(f"{step['kind']} {step['status']}" for step in steps["items"])
        return None if any(one.endswith("running") for one in now) else now

    ended = wait_until(settled, 30, "the steps to be ended")
    assert ended == ["approve cancelled", "exec cancelled", "exec succeeded", "wait_event cancelled"]
    assert file.read_text() == "begun\n"
    _, _, approvals = stack.request("GET", "/approvals?limit=100", token=token)
    assert id not in {one["execution_id"] for one in approvals["items"]}
    _, _, events = stack.request("GET", "/events?limit=100&type=execution.failed", token=token)
    assert id in {one["data"]["execution_id"] for one in events["items"]}


def test_a_command_that_comes_to_nothing_does_not_hide_how_the_run_had_ended(
    stack: Platform, token: str
) -> None:
    id = stack.detach('approve("Go on?")')

    def status() -> str:
        return str(stack.request("GET", f"/executions/{id}", token=token)[2]["status"])

    wait_until(lambda: status() == "waiting", 60, "the question")
    terminate(stack, id)
    answered, _, told = stack.request("POST", f"/executions/{id}/compensate", {"wait": True}, token=token)
    assert (answered, told["code"]) == (409, "nothing_to_do")
    wait_until(lambda: status() == "failed", 20, "the row to be mended")
    _, _, found = stack.request("GET", f"/executions/{id}", token=token)
    assert found["error"]["kind"] == "terminated"


def test_a_pass_mends_what_nobody_looks_at(stack: Platform, token: str, tmp_path: Path) -> None:
    id = busy(stack, token, tmp_path / "did")
    terminate(stack, id)
    reconcile(stack)
    _, _, listed = stack.request("GET", "/executions?status=failed&limit=100", token=token)
    assert id in {one["id"] for one in listed["items"]}


@pytest.fixture
def no_passes(stack: Platform) -> Iterator[None]:
    """The scheduled passes are paused."""

    async def pause(client: Client) -> None:
        await client.get_schedule_handle(SCHEDULE).pause()

    async def go_on(client: Client) -> None:
        await client.get_schedule_handle(SCHEDULE).unpause()

    in_temporal(stack, pause)
    yield
    in_temporal(stack, go_on)


def test_a_terminated_run_ends_also_in_lists_though_nobody_asks_for_it(
    stack: Platform, token: str, tmp_path: Path, no_passes: None
) -> None:
    file = tmp_path / "did"
    id = busy(stack, token, file)
    terminate(stack, id)

    def listed() -> bool:
        _, _, found = stack.request("GET", "/executions?status=failed&limit=100", token=token)
        return id in {one["id"] for one in found["items"]}

    wait_until(listed, 30, "the list to say so")

    def dead() -> bool:
        """Without a look at the run itself: that would mend it, too."""
        asked = {"query": "SELECT status FROM execution_steps WHERE execution_id = @id", "params": {"id": id}}
        _, _, found = stack.request("POST", "/query", asked, token=token)
        return ["running"] not in found["rows"]

    wait_until(dead, 30, "the command to be ended")
    assert file.read_text() == "begun\n"


def test_who_follows_a_run_that_is_terminated_is_told(stack: Platform, token: str, tmp_path: Path) -> None:
    id = busy(stack, token, tmp_path / "did")
    following = stack.start("logs", "-f", id)
    terminate(stack, id)
    _, told = following.communicate(timeout=60)
    assert following.returncode is not None, told


def test_a_run_that_has_no_row_gets_one(stack: Platform, token: str) -> None:
    name = f"by-hand-{uuid.uuid4().hex}"

    async def act(client: Client) -> None:
        handle = await client.start_workflow(
            "ExecuteDeployment", {"nothing": 1}, id=name, task_queue="codeai-workflows"
        )
        await asyncio.gather(handle.result(), return_exceptions=True)

    in_temporal(stack, act)

    def made() -> dict[str, Any] | None:
        reconcile(stack)
        _, _, listed = stack.request("GET", "/executions?limit=100", token=token)
        return next((one for one in listed["items"] if one["workflow_id"] == name), None)

    found: dict[str, Any] = wait_until(made, 60, "the row")
    assert (found["status"], found["error"]["kind"]) == ("failed", "invalid_input")
    _, _, again = stack.request("GET", f"/executions/{found['id']}", token=token)
    reconcile(stack)
    assert stack.request("GET", f"/executions/{found['id']}", token=token)[2] == again


def test_another_run_under_the_same_workflow_id_is_told_apart(stack: Platform, token: str) -> None:
    name = f"by-hand-{uuid.uuid4().hex}"

    async def start(client: Client) -> None:
        await client.start_workflow(
            "ExecuteDeployment", {"program": 'approve("Go?")'}, id=name, task_queue="codeai-workflows"
        )

    async def end(client: Client) -> None:
        await client.get_workflow_handle(name).terminate()

    def rows() -> list[str]:
        _, _, listed = stack.request("GET", "/executions?limit=100", token=token)
        return [one["status"] for one in listed["items"] if one["workflow_id"] == name]

    in_temporal(stack, start)
    wait_until(lambda: rows() == ["waiting"], 60, "the first run")
    in_temporal(stack, end)
    in_temporal(stack, start)
    wait_until(lambda: len(rows()) == 2, 60, "the second run")

    def told_apart() -> bool:
        reconcile(stack)
        return rows() == ["waiting", "failed"]

    wait_until(told_apart, 60, "the first run's end")
    in_temporal(stack, end)
