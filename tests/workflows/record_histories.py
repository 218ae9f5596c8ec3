"""Makes the stored histories anew on a platform of its own: `python -m tests.workflows.record_histories`."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

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


@dataclass(frozen=True, slots=True)
class Tell:
    """An update or a signal to a run, when its status is `when`."""

    how: Literal["update", "signal"]
    name: str
    when: str
    given: Mapping[str, Any] = field(default_factory=dict)
    line: int | None = None
    """Of a run that is parked: where."""

    async def is_time(self, handle: WorkflowHandle[Any, Any]) -> bool:
        state = await handle.query("state")
        at = {one["line"] for one in state.get("fibres", ()) if one["waits"] == "parked"}
        return bool(state["status"] == self.when and (self.line is None or self.line in at))


@dataclass(frozen=True, slots=True)
class Recording:
    """One run to be kept: a program's text (or any other input), what it is told, and when it is cancelled."""

    program: str | None
    more: Mapping[str, Any] = field(default_factory=dict)
    cancel_at: int | None = None
    """The number of the step during which the run is cancelled."""
    tells: tuple[Tell, ...] = ()
    again: Literal["compensate", "retry", "patch"] | None = None
    """The run that is this command to the ended one is kept instead."""
    patched: str | None = None
    """With which program it goes on."""
    through_us: bool = False
    """Started as the API does, with its search attributes; else by Temporal alone."""


RECORDINGS: dict[str, Recording] = {
    "straight_line": Recording(
        """
        param who
        var greeting = exec { printf 'hello %s' "$who" }
        exec { echo "$greeting" > note }
        var seen = exec(retry: 1, backoff: 0, check: false) { cat note; exit 3 }
        return {"said": str(seen), "code": seen.exit_code, "attempts": seen.attempt}
        """,
        {"inputs": {"who": "you"}, "triggered_by": "somebody"},
    ),
    "failure_with_undo": Recording(
        """
        var name = "first"
        var made = exec { echo "made $name" } undo { echo "unmade $name, was $made" }
        exec { echo kept } undo(retry: 0) { echo "cannot"; exit 4 }
        exec { echo "no disk" >&2; exit 7 }
        """
    ),
    "failure_without_undo": Recording(
        'exec { true } undo { echo never }\nfail("stop")', {"failure_policy": "fail"}
    ),
    "caught": Recording(
        """
        var why = ""
        try { exec { exit 5 } } catch problem { why = problem.kind }
        return why
        """,
        through_us=True,
    ),
    "cancel_with_undo": Recording(
        """
        exec { true } undo { echo unmade }
        exec { sleep 600 }
        """,
        cancel_at=2,
    ),
    "parallel_with_limit": Recording(
        """
        var found = parallel(limit: 2) for n in [1, 2, 3, 4] {
            sleep("10ms")
            return exec { echo $((n * n)) }
        }
        return found
        """
    ),
    "parallel_that_fails": Recording(
        """
        parallel for seconds in [0, 600] {
            exec { sleep "$seconds"; exit 6 } undo { echo unmade }
        }
        """
    ),
    "loop_over_two_runs": Recording(
        """
        var n = 0
        while n < 14 {
            exec { echo "$n" } undo { echo "unmade $n" }
            n += 1
        }
        return n
        """
    ),
    "handed_over_command": Recording(
        """
        return parallel(limit: 2) for n in range(20) {
            return exec { if [ "$n" = 0 ]; then sleep 4; fi; echo "$n" }
        }
        """
    ),
    "undo_over_two_runs": Recording(
        """
        for n in range(7) { exec { echo "$n" } undo { echo "unmade $n" } }
        fail("enough")
        """
    ),
    "pure_effects": Recording(
        """
        var begun = now()
        sleep("20ms")
        log("warn", "slept")
        set_status("nearly there")
        return {"later": now() >= begun, "uuid": len(uuid()), "random": random() < 1.0}
        """
    ),
    "slices": Recording("var n = 0\nwhile n < 30000 { n += 1 }\nreturn n"),
    "refused_inputs": Recording("param who\nparam times = 1\nreturn who", {"inputs": {"times": "many"}}),
    "refused_program": Recording("return nobody"),
    "parked_and_retried": Recording(
        """
        var n = 3
        exec { echo "$n" >> tries; exit "$n" } undo { echo unmade }
        var said = parallel for divisor in [0, 2] { return 6 / divisor }
        return said
        """,
        {"failure_policy": "park"},
        tells=(
            Tell("update", "retry", "parked"),
            Tell("signal", "set", "parked", {"name": "n", "value": 0, "by": "ann", "comment": "mended"}),
            Tell("signal", "retry", "parked"),
            Tell("update", "skip", "parked", {"fibre": 2, "value": "none"}, line=4),
        ),
    ),
    "parked_over_two_runs": Recording(
        """
        for n in range(9) { exec { echo "$n" } undo { echo "unmade $n" } }
        exec { exit 1 }
        for n in range(4) { exec { echo "$n" } }
        fail("enough")
        """,
        {"failure_policy": "park"},
        tells=(
            *(Tell("update", "retry", "parked", line=3) for _ in range(3)),
            Tell("update", "skip", "parked", line=3),
            Tell("update", "rollback", "parked", line=5),
        ),
    ),
    "nobody_came": Recording("return 1 / 0", {"failure_policy": "park", "park_timeout": 0.2}),
    "aborted_in_its_undo": Recording(
        """
        exec { true } undo { echo never }
        exec { true } undo { sleep 2 }
        fail("stop")
        """,
        tells=(Tell("signal", "abort", "undoing", {"by": "ann"}),),
    ),
    "retried": Recording(
        """
        exec { true } undo { echo unmade }
        exec { [ -e mended ] || { touch mended; exit 5; } }
        return "done"
        """,
        {"failure_policy": "fail"},
        again="retry",
    ),
    "patched": Recording(
        """
        exec { true } undo { echo unmade }
        exec { exit 5 }
        """,
        {"failure_policy": "fail"},
        again="patch",
        patched='exec { true } undo { echo unmade }\nreturn "done"\n',
    ),
    "not_an_input": Recording(None, {"nothing": 1}),
    "approved": Recording(
        """
        var said = approve("Ship?", role: "editor", timeout: "1h")
        return [said.by, said.comment, exec { echo shipped }]
        """,
        tells=(Tell("update", "approve", "waiting", {"by": "ann", "comment": "fine"}),),
    ),
    "rejected": Recording(
        """
        exec { true } undo { echo unmade }
        approve("Ship?")
        """,
        tells=(
            Tell("signal", "approve", "waiting", {"step": 7}),
            Tell("signal", "reject", "waiting", {"by": "ann"}),
        ),
    ),
    "nobody_decided": Recording('return approve("Ship?", timeout: "50ms", check: false)'),
    "paused": Recording(
        """
        for n in range(3) { exec { sleep 0.3; echo "$n" } }
        return "done"
        """,
        tells=(Tell("signal", "pause", "running"), Tell("update", "resume", "paused")),
    ),
    "awaited_event": Recording(
        """
        var found = parallel for who in ["waits", "tells"] {
            if who == "waits" { return wait_event("custom.recorded", where: {n: 1}, timeout: "1m").data }
            sleep("300ms")
            return type(emit("custom.recorded", {n: 1, more: true}))
        }
        try { wait_event("custom.never", timeout: "50ms") } catch e { found += [e.kind] }
        return found
        """
    ),
    "children": Recording(
        """
        var made = run("recorded-child", inputs: {n: 1})
        try { run("recorded-child", inputs: {n: 0}) } catch e { log(e.message) }
        fail("undo " + made)
        """
    ),
    "compensated": Recording(
        """
        exec { echo made } undo { echo unmade }
        return run("recorded-child", inputs: {n: 2})
        """,
        again="compensate",
    ),
    "request_refused": Recording(
        """
        try { http("GET", "http://127.0.0.1:9/") } catch e { return e.kind }
        """
    ),
    "unknown_secret": Recording(
        """
        var token = secret("nothing")
        try { exec { echo "$token" } } catch e { return e.kind }
        """
    ),
}
"""The runs of ExecuteDeployment (★), by the name of their file."""
CHILD = 'param n\nexec { echo "$n" } undo { echo "unmade $n" }\nif n == 0 { fail("nothing") }\nreturn "child ${n}"'


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
