"""What a run no longer wants when it has just continued as new, or is about to: it ends, and the run goes on."""

from __future__ import annotations

import asyncio
import signal
import uuid
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle

from codeai.workflows.contracts.kinds import CHANGE_RECORD
from tests.platform import wait_until
from tests.workers.conftest import Start
from tests.workers.test_hosts import carried, result
from tests.workers.test_run import address, begin

SMALL = {"CODEAI_WORKER_SOFT_EVENTS": "30", "CODEAI_WORKER_HARD_EVENTS": "40"}


async def test_a_command_that_is_dying_while_its_run_continues_as_new_ends(
    worker: Start, temporal: Client, tmp_path: Path
) -> None:
    worker("all", address(temporal), **SMALL).until_ready()
    said = tmp_path / "said"
    run = await begin(
        temporal,
        f"""
        return parallel for what in ["timers", "command"] {{
            if what == "timers" {{ for n in range(20) {{ sleep("200ms") }} }}
            else {{
                try {{
                    parallel for which in ["fails", "command"] {{
                        if which == "fails" {{ sleep("1s") fail("enough") }}
                        exec(grace: "3s") {{ trap "echo asked >> {said}" TERM; while :; do sleep 0.1 || :; done }}
                    }}
                }} catch e {{ return e.message }}
            }}
        }}
        """,
    )
    assert await result(run) == [None, "enough"]
    assert said.read_text() == "asked\n"
    assert any(step in one.at for one in await carried(temporal, run) for step in one.attempts)


async def test_a_run_that_is_cancelled_while_it_waits_for_a_child_to_continue_as_new_ends(
    worker: Start, temporal: Client
) -> None:
    worker("all", address(temporal), **SMALL).until_ready()
    name = f"slow-{uuid.uuid4().hex}"
    body = {"name": name, "content": 'sleep("1h")'}
    await temporal.execute_workflow(
        CHANGE_RECORD.type,
        {"kind": "config", "action": "create", "body": body},
        id=CHANGE_RECORD.workflow_id(str(uuid.uuid4())),
        task_queue=CHANGE_RECORD.queue,
    )
    run = await begin(
        temporal,
        f"""
        parallel for what in ["timers", "child"] {{
            if what == "timers" {{ for n in range(1000) {{ sleep("50ms") }} }} else {{ run("{name}") }}
        }}
        """,
    )
    async with asyncio.timeout(60):
        while (await run.describe()).history_length < 40:
            await asyncio.sleep(0.05)
    await run.cancel()
    assert "cancel" in str(await result(run)).lower()


async def test_a_command_whose_worker_dies_while_it_is_dying_ends_and_is_undone(
    worker: Start, temporal: Client, tmp_path: Path
) -> None:
    """Temporal then gives up its activity, as one whose cancel was asked for is not repeated."""
    first = worker("all", address(temporal))
    first.until_ready()
    did = tmp_path / "did"
    run = await begin(
        temporal,
        f"""
        parallel for which in ["fails", "command"] {{
            if which == "fails" {{ exec {{ until [ -e {did} ]; do sleep 0.1; done }} fail("enough") }}
            exec(grace: "5m") {{
                trap "echo asked >> {did}" TERM
                echo begun > {did}
                until [ -e {did}.go ]; do sleep 0.1 || :; done
            }} undo {{ echo undone >> {did} }}
        }}
        """,
    )
    await asyncio.to_thread(wait_until, lambda: did.exists() and "asked" in did.read_text(), 60, "the cancel")
    first.stop(signal.SIGKILL)
    async with asyncio.timeout(60):
        while not await gave_up(run):
            await asyncio.sleep(0.2)
    did.with_name("did.go").touch()
    worker("all", address(temporal)).until_ready()
    assert "enough" in str(await result(run))
    assert did.read_text() == "begun\nasked\nundone\n"


async def test_a_command_that_is_withdrawn_between_two_attempts_is_undone(
    worker: Start, temporal: Client, tmp_path: Path
) -> None:
    worker("all", address(temporal)).until_ready()
    did = tmp_path / "did"
    run = await begin(
        temporal,
        f"""
        exec(retry: 1, backoff: "1m") {{ echo made >> {did}; false }}
        undo {{ echo "unmade, it had $CODEAI_STEP_OUTCOME" >> {did} }}
        """,
    )
    async with asyncio.timeout(60):
        while not await waits_for_its_timer(run):
            await asyncio.sleep(0.1)
    await run.cancel()
    assert "cancel" in str(await result(run)).lower()
    assert did.read_text() == "made\nunmade, it had failed\n"


async def test_a_command_that_ends_before_the_run_has_heard_of_its_cancel_is_undone(
    worker: Start, temporal: Client, tmp_path: Path
) -> None:
    worker("exec", address(temporal)).until_ready()
    flows = worker("workflows", address(temporal))
    did = tmp_path / "did"
    run = await begin(
        temporal,
        f"""
        exec {{ echo begun > {did}; until [ -e {did}.go ]; do sleep 0.1; done }} undo {{ echo undone >> {did} }}
        """,
    )
    await asyncio.to_thread(wait_until, did.exists, 60, "the command to begin")
    flows.stop(signal.SIGKILL)
    await run.cancel()
    did.with_name("did.go").touch()
    async with asyncio.timeout(60):
        while not await has_ended_a_command(run):
            await asyncio.sleep(0.1)
    worker("workflows", address(temporal)).until_ready()
    assert "cancel" in str(await result(run)).lower()
    assert did.read_text() == "begun\nundone\n"


async def has_ended_a_command(run: WorkflowHandle[Any, Any]) -> bool:
    """One of the run's commands has ended, as far as Temporal knows."""
    events = (await run.fetch_history()).events
    commands = {
        event.event_id
        for event in events
        if event.activity_task_scheduled_event_attributes.activity_type.name == "run_command"
    }
    return any(
        event.activity_task_completed_event_attributes.scheduled_event_id in commands
        for event in events
        if event.HasField("activity_task_completed_event_attributes")
    )


async def waits_for_its_timer(run: WorkflowHandle[Any, Any]) -> bool:
    """After its command has ended."""
    events = (await run.fetch_history()).events
    ended = [
        at for at, event in enumerate(events) if event.HasField("activity_task_completed_event_attributes")
    ]
    return any(
        event.HasField("timer_started_event_attributes")
        for event in events[max(ended, default=len(events)) :]
    )


async def gave_up(run: WorkflowHandle[Any, Any]) -> bool:
    history = await run.fetch_history()
    return any(event.HasField("activity_task_timed_out_event_attributes") for event in history.events)
