"""A worker dies after it has written, before its workflow task is in the history: what was written still is true."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT, LANE, TASK_TIMEOUT
from tests.e2e import dying_worker
from tests.platform import Platform, platform, wait_until
from tests.soak.tails import stored


@pytest.fixture(scope="module")
def unstaffed() -> Iterator[Platform]:
    """A platform whose workers the tests start, and end."""
    with platform("--no-worker") as running:
        yield running


class Dies:
    """A worker, and the trap that it dies of."""

    def __init__(self, stack: Platform) -> None:
        self.stack = stack
        self.trap = stack.folder / f"trap-{uuid.uuid4()}"
        self.worker = stack.worker(by=(sys.executable, Path(dying_worker.__file__), self.trap))

    def after(self, activity: str, text: str) -> None:
        self.trap.write_text(f"{activity} {text}")

    async def has_died(self) -> None:
        await asyncio.to_thread(self.worker.wait, 60)

    def is_replaced(self) -> None:
        self.worker = self.stack.worker()


@pytest.fixture
def dies(unstaffed: Platform) -> Iterator[Dies]:
    made = Dies(unstaffed)
    yield made
    made.worker.terminate()
    made.worker.wait(60)


async def connected(stack: Platform) -> Client:
    return await Client.connect(f"127.0.0.1:{stack.temporal}")


def started(stack: Platform, token: str, path: str, body: dict[str, Any]) -> str:
    """The id of what was started or made; a change that takes long is asked for again."""
    key, made = (
        {"Idempotency-Key": uuid.uuid4().hex},
        202 if path.endswith(("/executions", "/execute")) else 201,
    )

    def answered() -> dict[str, Any] | None:
        status, _, answer = stack.request("POST", path, body, key, token)
        assert status in (made, 202), answer
        found: dict[str, Any] = answer
        return found if status == made else None

    return str(wait_until(answered, 60, f"POST {path}")["id"])


async def test_a_command_stands_in_the_log_if_and_only_if_it_was_taken(
    unstaffed: Platform, dies: Dies
) -> None:
    token = unstaffed.token
    id = started(unstaffed, token, "/executions", {"program": 'fail("no")', "failure_policy": "park"})

    def status() -> str:
        return str(unstaffed.request("GET", f"/executions/{id}", token=token)[2]["status"])

    await asyncio.to_thread(wait_until, lambda: status() == "parked", 60, "the run to park")
    run = (await connected(unstaffed)).get_workflow_handle(f"execution/{id}")
    dies.after("write_notes", "first")
    first = asyncio.create_task(run.execute_update("retry", {"comment": "first"}))
    await dies.has_died()
    await run.signal("skip", {"comment": "second"})  # is before the update, if that has to come again
    dies.is_replaced()
    taken = await is_taken(first)
    assert (await run.result())["status"] == "complete"
    told = [
        line["text"] for line in stored(unstaffed, id, token) if line["text"].startswith(("retry", "skip"))
    ]
    assert told == ["retry (by temporal), line 1, fibre 1: first\n"] * taken + [
        "skip (by temporal), line 1, fibre 1: second\n"
    ]


@pytest.mark.parametrize("way", ["update", "signal"])
@pytest.mark.parametrize("then", [None, "skip"])
async def test_a_patch_whose_worker_dies_while_it_is_compared_is_taken_whole_or_not_at_all(
    unstaffed: Platform, dies: Dies, way: str, then: str | None
) -> None:
    """`then` is said before the next worker has begun."""
    token, did = unstaffed.token, unstaffed.folder / f"did-{uuid.uuid4().hex}"
    first = f'exec {{ echo first >> "{did}" }}\n'
    program, edited = (
        f"{first}exec {{ false }}\nreturn 1",
        f'{first}exec {{ echo edited >> "{did}" }}\nreturn 2',
    )
    id = started(unstaffed, token, "/executions", {"program": program, "failure_policy": "park"})

    def shown() -> dict[str, Any]:
        found: dict[str, Any] = unstaffed.request("GET", f"/executions/{id}", token=token)[2]
        return found

    await asyncio.to_thread(wait_until, lambda: shown()["status"] == "parked", 60, "the run to park")
    before = shown()["content_hash"]
    run = (await connected(unstaffed)).get_workflow_handle(f"execution/{id}")
    dies.after("patch_program", "edited")
    saying = asyncio.create_task(
        run.execute_update("patch", {"program": edited})
        if way == "update"
        else run.signal("patch", {"program": edited})
    )
    await dies.has_died()
    if then is not None:
        await run.signal(then, {"comment": "then"})
    dies.is_replaced()
    taken = await is_taken(saying)
    result = (await run.result())["result"]
    told = [
        line["text"] for line in stored(unstaffed, id, token) if line["text"].startswith(("patch", "skip"))
    ]
    patched = result == 2
    assert patched == (then is None)
    assert taken == patched or way == "signal"
    assert did.read_text() == "first\n" + "edited\n" * patched
    assert [line.split()[0] for line in told] == (["patch"] if patched else ["skip"])
    assert (shown()["content_hash"] != before) == patched


@pytest.mark.parametrize("word", ["abort", "cancel"])
async def test_a_command_that_is_handed_over_dies_of_what_is_said_before_its_run_has_taken_it_up(
    unstaffed: Platform, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """The first task of the run that continues is lost, and done again with what was said meanwhile."""
    for name, events in (("SOFT", "30"), ("HARD", "40")):
        monkeypatch.setitem(unstaffed.environment, f"CODEAI_WORKER_{name}_EVENTS", events)
    dies = Dies(unstaffed)
    token, did = unstaffed.token, unstaffed.folder / f"did-{uuid.uuid4().hex}"
    program = f"""
        parallel for what in ["command", "timers"] {{
            if what == "timers" {{ for n in range(1000) {{ sleep("50ms") }} }}
            exec {{ echo begun >> "{did}"; trap 'echo asked >> "{did}"; exit 1' TERM; while :; do sleep 0.1; done }}
            undo {{ echo undone >> "{did}" }}
        }}
    """
    id = started(unstaffed, token, "/executions", {"program": program})
    await asyncio.to_thread(wait_until, did.exists, 60, "the command to begin")
    hash = unstaffed.request("GET", f"/executions/{id}", token=token)[2]["content_hash"]
    dies.after("load_program", f"program_hash='{hash}'")
    await dies.has_died()
    run = (await connected(unstaffed)).get_workflow_handle(f"execution/{id}")
    await (run.cancel() if word == "cancel" else run.signal(word))
    dies.is_replaced()
    ended = unstaffed.ended(id, token)
    dies.worker.terminate()
    dies.worker.wait(60)
    assert ended["status"] == ("cancelled" if word == "cancel" else "failed"), ended
    assert did.read_text() == "begun\nasked\n" + "undone\n" * (word == "cancel")
    told = [line["text"].split()[0] for line in stored(unstaffed, id, token) if line["stream"] == "log"]
    assert told == [word]


async def is_taken(saying: asyncio.Task[Any]) -> bool:
    try:
        await saying
    except WorkflowUpdateFailedError:
        return False
    except RPCError as error:  # the run had ended before it came again
        assert error.status is RPCStatusCode.NOT_FOUND
        return False
    return True


async def test_a_lane_whose_worker_dies_while_it_grants_grants_to_one(
    unstaffed: Platform, dies: Dies
) -> None:
    client = await connected(unstaffed)
    key = str(uuid.uuid4())
    runs = [
        await client.start_workflow(EXECUTE_DEPLOYMENT.type, id=f"{key}-{n}", task_queue="nobody")
        for n in range(3)
    ]

    async def ask(n: int, since: float) -> str:
        start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
            LANE.type,
            {},
            id=LANE.workflow_id(key),
            task_queue=LANE.queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            task_timeout=TASK_TIMEOUT,
        )
        turn = {
            "execution": str(uuid.uuid4()),
            "workflow_id": runs[n].id,
            "run": runs[n].first_execution_run_id,
            "since": since,
            "concurrency": "queue",
        }
        answer = await client.execute_update_with_start_workflow(
            "acquire", turn, start_workflow_operation=start
        )
        return str(answer["answer"])

    assert [await ask(0, 1.0), await ask(1, 3.0)] == ["granted", "queued"]
    dies.after("grant_turn", str(runs[1].first_execution_run_id))
    await client.get_workflow_handle(LANE.workflow_id(key)).signal(
        "release", {"run": runs[0].first_execution_run_id}
    )
    await dies.has_died()
    late = asyncio.create_task(ask(2, 2.0))  # it started before the one that has just been told
    dies.is_replaced()
    assert await late == "queued"
    assert [await was_granted(run) for run in runs] == [False, True, False]


async def was_granted(run: WorkflowHandle[Any, Any]) -> bool:
    history = await run.fetch_history()
    return any(event.HasField("workflow_execution_signaled_event_attributes") for event in history.events)


async def test_a_run_that_has_given_back_its_lane_has_ended(unstaffed: Platform, dies: Dies) -> None:
    """A cancel that comes after that does not undo what it did, while the next one runs."""
    token, name = unstaffed.token, f"lane-{uuid.uuid4().hex}"
    undone = unstaffed.folder / name
    program = f'exec {{ true }} undo {{ touch "{undone}" }}'
    config = started(unstaffed, token, "/configs", {"name": name, "content": program})
    lane = started(unstaffed, token, "/deployments", {"name": name, "config_id": config})
    dies.after("release_lane", lane)
    id = started(unstaffed, token, f"/deployments/{name}/execute", {})
    await stays_complete_when_it_is_cancelled(dies, token, id)
    assert not undone.exists()


async def test_a_run_whose_row_has_its_end_has_ended(unstaffed: Platform, dies: Dies) -> None:
    token = unstaffed.token
    undone = unstaffed.folder / f"undone-{uuid.uuid4().hex}"
    dies.after("close_execution", undone.name)
    program = f'exec {{ true }} undo {{ touch "{undone}" }}\nreturn "{undone.name}"'
    id = started(unstaffed, token, "/executions", {"program": program})
    await stays_complete_when_it_is_cancelled(dies, token, id)
    assert not undone.exists()


async def stays_complete_when_it_is_cancelled(dies: Dies, token: str, id: str) -> None:
    await dies.has_died()
    run = (await connected(dies.stack)).get_workflow_handle(f"execution/{id}")
    await run.cancel()
    dies.is_replaced()
    assert (await run.result())["status"] == "complete"
    assert dies.stack.request("GET", f"/executions/{id}", token=token)[2]["status"] == "complete"
