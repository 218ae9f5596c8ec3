"""Makes the stored histories anew on a platform of its own: `python -m tests.workflows.record_histories`."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

from temporalio.client import Client, WithStartWorkflowOperation, WorkflowFailureError, WorkflowHandle
from temporalio.common import TypedSearchAttributes, WorkflowIDConflictPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError

from codeai.workflows.contracts.attributes import at_start
from codeai.workflows.contracts.kinds import (
    APPLY_RETENTION,
    CHANGE_RECORD,
    EXECUTE_DEPLOYMENT,
    LANE,
    PUBLISH_EVENT,
    RECONCILE,
    TASK_TIMEOUT,
)
from tests.platform import platform
from tests.workflows.recordings import CHILD, RECORDINGS, Recording

HISTORIES = Path(__file__).with_name("histories")
BUDGET = {
    "CODEAI_WORKER_SOFT_EVENTS": "70",
    "CODEAI_WORKER_HARD_EVENTS": "110",
    "CODEAI_RETENTION_WORKSPACES": "0s",
}
"""Events of one workflow run: the short programs stay below, the long ones continue as new once. Workspaces go at
once."""
OF_A_MACHINE = re.compile(r"/(?:home|opt|private|root|srv|tmp|usr|Users|var|work)/")
"""What the path of a file on the machine that recorded would begin with."""


async def record() -> None:
    """Runs everything and writes what Temporal keeps of it."""
    with platform(**BUDGET) as running:
        client = await Client.connect(
            f"127.0.0.1:{running.temporal}", data_converter=pydantic_data_converter, identity="recorder"
        )
        await _change(client, "config", {"name": "recorded-child", "content": CHILD})
        for name, recording in RECORDINGS.items():
            await _keep(client, name, await _execute(client, name, recording))
        async for name, handle in _changes(client):
            await _keep(client, name, handle)
        async for name, handle in _events(client):
            await _keep(client, name, handle)
        async for name, handle in _lanes(client):
            await _keep(client, name, handle)
        async for name, handle in _reconciling(client):
            await _keep(client, name, handle)
        async for name, handle in _retention(client):
            await _keep(client, name, handle)


async def _execute(client: Client, name: str, recording: Recording) -> WorkflowHandle[Any, Any]:
    given = dict(recording.more) | ({} if recording.program is None else {"program": recording.program})
    handle = await client.start_workflow(
        EXECUTE_DEPLOYMENT.type,
        given,
        id=name,
        task_queue=EXECUTE_DEPLOYMENT.queue,
        task_timeout=TASK_TIMEOUT,
        search_attributes=_attributes(EXECUTE_DEPLOYMENT.type) if recording.through_us else None,
    )
    if recording.cancel_at is not None:
        while not await _is_under_way(handle, recording.cancel_at):
            await asyncio.sleep(0.05)
        await handle.cancel()
    for tell in recording.tells:
        while not await tell.is_time(handle):
            await asyncio.sleep(0.05)
        send = handle.execute_update if tell.how == "update" else handle.signal
        await send(tell.name, dict(tell.given))
    id = None
    try:
        result = await handle.result()
        id = result["execution_id"]
        print(name, json.dumps(result))
    except WorkflowFailureError as error:
        details = getattr(error.cause, "details", ())
        id = details[0].get("execution_id") if details else None
        print(name, repr(error.cause))
    if recording.again is not None:
        again = {"execution": id, "do": recording.again}
        again |= {} if recording.patched is None else {"program": recording.patched}
        handle = await client.start_workflow(
            EXECUTE_DEPLOYMENT.type, again, id=name, task_queue=EXECUTE_DEPLOYMENT.queue
        )
        print(name, json.dumps(await handle.result()))
    return handle


def _attributes(kind: str) -> TypedSearchAttributes:
    return at_start(kind, "config/new", "somebody")


async def _is_under_way(handle: WorkflowHandle[Any, Any], step: int) -> bool:
    pending = (await handle.describe()).raw_description.pending_activities
    return any(one.activity_id == f"{step}/1" for one in pending)


async def _changes(client: Client) -> AsyncIterator[tuple[str, WorkflowHandle[Any, Any]]]:
    """A config is made, and not made again under the same name; a body that is none."""
    config = {"kind": "config", "action": "create", "body": {"name": "release", "content": "return 1"}}
    for name, given in (
        ("change_made", config),
        ("change_refused", config),
        ("change_of_nothing", {"kind": "config", "action": "destroy"}),
    ):
        start = WithStartWorkflowOperation(
            CHANGE_RECORD.type,
            given,
            id=CHANGE_RECORD.workflow_id(_uuid_of(name)),
            task_queue=CHANGE_RECORD.queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            task_timeout=TASK_TIMEOUT,
            search_attributes=_attributes(CHANGE_RECORD.type) if name == "change_made" else None,
        )
        update = client.execute_update_with_start_workflow("apply", start_workflow_operation=start)
        print(name, (await asyncio.gather(update, return_exceptions=True))[0])
        handle = await start.workflow_handle()
        await asyncio.gather(handle.result(), return_exceptions=True)
        yield name, handle


async def _events(client: Client) -> AsyncIterator[tuple[str, WorkflowHandle[Any, Any]]]:
    """An event is published, by us and by Temporal alone; one that is the platform's own, and one that is none."""
    for name, given in (
        ("event_published", {"type": "custom.pack", "data": {"n": 2.0}, "source": "api"}),
        ("event_by_hand", {"type": "custom.pack"}),
        ("event_of_the_platform", {"type": "job.completed", "source": "RunJob"}),
        ("event_of_nothing", {"type": "pack", "data": 1}),
    ):
        handle = await client.start_workflow(
            PUBLISH_EVENT.type,
            given,
            id=name if name == "event_by_hand" else PUBLISH_EVENT.workflow_id(_uuid_of(name)),
            task_queue=PUBLISH_EVENT.queue,
            task_timeout=TASK_TIMEOUT,
            search_attributes=_attributes(PUBLISH_EVENT.type) if name == "event_published" else None,
        )
        print(name, (await asyncio.gather(handle.result(), return_exceptions=True))[0])
        yield name, handle


async def _retention(client: Client) -> AsyncIterator[tuple[str, WorkflowHandle[Any, Any]]]:
    """A pass, by itself; one that nobody could ask for."""
    for name, given in (("retention", {}), ("retention_of_nothing", {"more": 1})):
        handle = await client.start_workflow(
            APPLY_RETENTION.type,
            given,
            id=name,
            task_queue=APPLY_RETENTION.queue,
            task_timeout=TASK_TIMEOUT,
        )
        print(name, (await asyncio.gather(handle.result(), return_exceptions=True))[0])
        yield name, handle


LANE_PROGRAM = "param ms\nexec { sleep $(($ms / 1000)).$(($ms % 1000)) } undo { echo unmade }\nreturn ms"


async def _lanes(client: Client) -> AsyncIterator[tuple[str, WorkflowHandle[Any, Any]]]:
    """Runs of three deployments in one lane: one has it, one waits, one is rejected, one replaces those before it."""
    config = {"name": "recorded-lane", "content": LANE_PROGRAM}
    made = await _change(client, "config", config)
    for concurrency in ("queue", "reject", "replace"):
        body = {
            "name": f"recorded-{concurrency}",
            "config_id": made["resource"].rpartition("/")[2],
            "concurrency": concurrency,
            "concurrency_key": "recorded",
        }
        await _change(client, "deployment", body)
    runs = {}
    for name, deployment, ms in (
        ("lane_taken", "queue", 900),
        ("lane_queued", "queue", 60_000),
        ("lane_rejected", "reject", 0),
        ("lane_replaced_in_queue", "queue", 0),
        ("lane_replacing", "replace", 0),
    ):
        if name == "lane_replaced_in_queue":
            while await runs["lane_queued"].query("status") != "running":
                await asyncio.sleep(0.05)
        runs[name] = await client.start_workflow(
            EXECUTE_DEPLOYMENT.type,
            {"deployment": f"recorded-{deployment}", "inputs": {"ms": ms}},
            id=name,
            task_queue=EXECUTE_DEPLOYMENT.queue,
            task_timeout=TASK_TIMEOUT,
        )
        lane = client.get_workflow_handle(LANE.workflow_id("recorded"))
        while name in ("lane_taken", "lane_queued", "lane_replaced_in_queue") and not await _is_in(
            lane, name
        ):
            await asyncio.sleep(0.05)
    for name, handle in runs.items():
        print(name, repr((await asyncio.gather(handle.result(), return_exceptions=True))[0]))
        yield name, handle
    yield "lane", client.get_workflow_handle(LANE.workflow_id("recorded"))


async def _reconciling(client: Client) -> AsyncIterator[tuple[str, WorkflowHandle[Any, Any]]]:
    """A run is terminated in the middle of a command: all rows are mended, then its own alone, for whom nothing is
    left; and a pass of nothing."""
    ended = await client.start_workflow(
        EXECUTE_DEPLOYMENT.type,
        {"program": "exec { sleep 60 }"},
        id="terminated",
        task_queue=EXECUTE_DEPLOYMENT.queue,
        task_timeout=TASK_TIMEOUT,
    )
    while not await _is_under_way(ended, 1):
        await asyncio.sleep(0.05)
    await ended.terminate("recorded")
    for name, given in (
        ("reconcile_all", {}),
        ("reconcile_one", {"execution": _uuid_of("nobody")}),
        ("reconcile_nothing", {"execution": "nobody"}),
    ):
        handle = await client.start_workflow(
            RECONCILE.type,
            given,
            id=RECONCILE.workflow_id(name),
            task_queue=RECONCILE.queue,
            task_timeout=TASK_TIMEOUT,
        )
        print(name, repr((await asyncio.gather(handle.result(), return_exceptions=True))[0]))
        yield name, handle


async def _is_in(lane: WorkflowHandle[Any, Any], run: str) -> bool:
    try:
        return run in json.dumps(await lane.query("status"))
    except RPCError:  # nobody has asked it yet
        return False


async def _change(client: Client, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = await client.execute_workflow(
        CHANGE_RECORD.type,
        {"kind": kind, "action": "create", "body": body},
        id=CHANGE_RECORD.workflow_id(_uuid_of(str(body["name"]))),
        task_queue=CHANGE_RECORD.queue,
    )
    return made


def _uuid_of(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


async def _keep(client: Client, name: str, handle: WorkflowHandle[Any, Any]) -> None:
    """Writes `<name>.json`, or `<name>.1.json` and so on where the run continued as new."""
    runs = []
    run: str | None = (
        handle.first_execution_run_id or handle.result_run_id or (await handle.describe()).run_id
    )
    while run:
        history = await client.get_workflow_handle(handle.id, run_id=run).fetch_history()
        told: dict[str, Any] = json.loads(history.to_json())
        last = told["events"][-1]
        runs.append({"workflowId": handle.id, "events": told["events"]})
        run = last.get("workflowExecutionContinuedAsNewEventAttributes", {}).get("newExecutionRunId")
    for old in HISTORIES.glob(f"{name}.*json"):
        old.unlink()
    for number, told in enumerate(runs, start=1):
        file = HISTORIES / (f"{name}.json" if len(runs) == 1 else f"{name}.{number}.json")
        neutral = _neutral(told)
        if found := sorted(set(paths_in(neutral))):
            raise SystemExit(f"{file.name} has a path of this machine in it: {found}")
        file.write_text(json.dumps(neutral, indent=1) + "\n")


def _neutral(value: Any) -> Any:
    """Without what belongs to the machine and says nothing of the run: who did it, and where its code lay."""
    if isinstance(value, dict):
        return {
            key: "recorder" if key == "identity" else _neutral(one)
            for key, one in value.items()
            if key != "stackTrace"
        }
    if isinstance(value, list):
        return [_neutral(one) for one in value]
    return value


def texts_in(value: Any) -> Iterator[str]:
    """Every text of a history; payloads decoded."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            if key == "data" and isinstance(one, str):
                yield base64.b64decode(one).decode("utf-8", "replace")
            else:
                yield from texts_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts_in(one)


def paths_in(history: Any) -> Iterator[str]:
    """Texts of a history that name a file of the machine."""
    return (text for text in texts_in(history) if OF_A_MACHINE.search(text))


if __name__ == "__main__":
    asyncio.run(record())
