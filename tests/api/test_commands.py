"""What people send to runs: decisions, pauses, compensations; and what waits for them."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from temporalio.client import WorkflowHandle

from codeai.dsl.bind import bind
from codeai.dsl.compile import compile_source
from codeai.dsl.machine import Machine
from codeai.dsl.requests import Asking
from codeai.persistence.executions import Executions, NewExecution
from codeai.persistence.steps import NewStep, Steps
from codeai.signing import is_signed, public_of
from codeai.workflows.contracts.commands import DecideInput
from codeai.workflows.contracts.executions import Budget, Carried, ExecuteInput, ExecutionRecord
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
from codeai.workflows.contracts.packing import pack
from tests.api.conftest import SIGNING_KEY, Served
from tests.api.test_edge import problem
from tests.api.test_executions import running, started

ASKS = 'return approve("go on?")\n'
TWO = """\
return parallel for word in ["one", "two"] {
    return approve("is it ${word}?").by
}
"""
SEVERAL = 'for n in range(3) {\n    approve("round ${n}?")\n}\nreturn "done"\n'


@pytest.fixture
async def editor(served: Served) -> AsyncIterator[httpx2.AsyncClient]:
    async with served.client("editor", subject="an editor") as client:
        yield client


async def waiting(client: httpx2.AsyncClient, id: str, count: int = 1) -> list[dict[str, Any]]:
    """The open approvals of a run, in the order of their steps, as soon as there are `count`."""
    for _ in range(200):
        items = (await client.get("/approvals?limit=100")).json()["items"]
        own = sorted((one for one in items if one["execution_id"] == id), key=lambda one: one["step"])
        if len(own) == count:
            return own
        await asyncio.sleep(0.05)
    raise AssertionError(own)


async def test_an_approved_run_goes_on_and_knows_who_decided(editor: httpx2.AsyncClient) -> None:
    id = await started(editor, ASKS)
    (asked,) = await waiting(editor, id)
    assert (asked["text"], asked["line"], asked["role"], asked["deadline"]) == ("go on?", 1, None, None)
    assert (await running(editor, id, "waiting"))["status"] == "waiting"
    answer = await editor.post(f"/executions/{id}/approve", json={"comment": "looks good"})
    assert answer.status_code == 200
    assert answer.json() == {"id": id, "status": "approved", "step": asked["step"], "fibre": None}
    result = (await running(editor, id, "complete"))["result"]
    assert (result["approved"], result["by"], result["comment"]) == (True, "an editor", "looks good")
    await waiting(editor, id, 0)


async def test_a_rejected_run_fails_with_the_comment(admin: httpx2.AsyncClient) -> None:
    id = await started(admin, ASKS)
    await waiting(admin, id)
    answer = await admin.post(f"/executions/{id}/reject", json={"comment": "not on a Friday"})
    assert answer.json()["status"] == "rejected"
    error = (await running(admin, id, "failed"))["error"]
    assert error["kind"] == "rejected" and "not on a Friday" in error["message"]


async def test_an_approval_for_a_role_is_decided_by_who_holds_it(
    admin: httpx2.AsyncClient, editor: httpx2.AsyncClient
) -> None:
    id = await started(admin, 'return approve("ship?", role: "admin", timeout: "1h").by\n')
    (asked,) = await waiting(admin, id)
    assert asked["role"] == "admin"
    left = datetime.fromisoformat(asked["deadline"]) - datetime.fromisoformat(asked["asked_at"])
    assert left.total_seconds() == pytest.approx(3600)
    for word in ("approve", "reject"):
        document = problem(await editor.post(f"/executions/{id}/{word}"), "forbidden")
        assert "'admin'" in str(document["detail"])
    assert (await admin.post(f"/executions/{id}/approve")).status_code == 200
    assert (await running(admin, id, "complete"))["result"] == "somebody"


async def test_a_role_is_inherited_and_a_viewer_decides_nothing(served: Served) -> None:
    async with served.client("editor") as editor, served.client("viewer") as viewer:
        id = await started(editor, 'return approve("ship?", role: "viewer").approved\n')
        await waiting(viewer, id)
        problem(await viewer.post(f"/executions/{id}/approve"), "forbidden")
        assert (await editor.post(f"/executions/{id}/approve")).status_code == 200


async def test_of_several_open_approvals_the_step_must_be_named(admin: httpx2.AsyncClient) -> None:
    id = await started(admin, TWO)
    one, two = await waiting(admin, id, 2)
    document = problem(await admin.post(f"/executions/{id}/approve"), "which_approval")
    assert all(f"step {asked['step']}: {asked['text']}" in str(document["detail"]) for asked in (one, two))
    problem(await admin.post(f"/executions/{id}/approve", json={"step": 99}), "no_approval")
    assert (await admin.post(f"/executions/{id}/approve", json={"step": two["step"]})).status_code == 200
    (left,) = await waiting(admin, id, 1)
    assert left["step"] == one["step"]
    assert (await admin.post(f"/executions/{id}/approve")).json()["step"] == one["step"]
    await running(admin, id, "complete")


async def test_a_repeated_click_is_one_decision(admin: httpx2.AsyncClient) -> None:
    id = await started(admin, SEVERAL)
    key = {"Idempotency-Key": str(uuid.uuid4())}
    (first,) = await waiting(admin, id)
    place = f"/executions/{id}/approve"
    answers = await asyncio.gather(*(admin.post(place, headers=key) for _ in range(3)))
    assert {(one.status_code, one.json()["step"]) for one in answers} == {(200, first["step"])}
    for _ in range(2):
        (asked,) = await waiting(admin, id)
        assert asked["step"] > first["step"]
        assert (await admin.post(place, headers=key)).json()["step"] == first["step"]
        problem(await admin.post(place, headers=key, json={"step": asked["step"]}), "idempotency_key_reused")
        await admin.post(place, json={"step": asked["step"]})
    assert (await running(admin, id, "complete"))["result"] == "done"
    assert (await admin.post(place, headers=key)).json()["step"] == first["step"]


async def test_what_cannot_be_told_to_a_run_says_why(admin: httpx2.AsyncClient) -> None:
    unknown, ended = uuid.uuid4(), await started(admin, "return 1\n")
    await running(admin, ended, "complete")
    for word in ("approve", "reject", "pause", "resume"):
        problem(await admin.post(f"/executions/{unknown}/{word}"), "not_found")
        problem(await admin.post(f"/executions/{ended}/{word}"), "ended")
    id = await started(admin, 'sleep("1h")\n')
    await running(admin, id)
    problem(await admin.post(f"/executions/{id}/approve"), "no_approval")
    problem(await admin.post(f"/executions/{id}/approve", json={"step": 0}), "invalid")
    problem(await admin.post(f"/executions/{id}/approve", json={"by": "somebody else"}), "invalid")
    await admin.post(f"/executions/{id}/cancel")


async def test_a_paused_run_begins_nothing_until_it_is_resumed(admin: httpx2.AsyncClient) -> None:
    id = await started(admin, SEVERAL)
    await waiting(admin, id)
    paused = await admin.post(f"/executions/{id}/pause", json={"comment": "lunch"})
    assert (paused.status_code, paused.json()["status"]) == (200, "paused")
    await running(admin, id, "paused")
    await admin.post(f"/executions/{id}/approve")
    await waiting(admin, id, 0)
    assert (await running(admin, id, "paused"))["status"] == "paused"
    assert (await admin.post(f"/executions/{id}/resume")).json()["status"] == "running"
    for step in (2, 3):
        (asked,) = await waiting(admin, id)
        assert asked["step"] == step
        await admin.post(f"/executions/{id}/approve", json={"step": step})
        await running(admin, id, "running", "waiting", "complete")
        await waiting(admin, id, 0 if step == 3 else 1)
    assert (await running(admin, id, "complete"))["result"] == "done"


async def test_a_run_that_waits_can_be_cancelled(admin: httpx2.AsyncClient) -> None:
    id = await started(admin, ASKS)
    await waiting(admin, id)
    await admin.post(f"/executions/{id}/cancel")
    await running(admin, id, "cancelled")
    assert await waiting(admin, id, 0) == []
    (step,) = (await admin.get(f"/executions/{id}/steps")).json()["items"]
    assert step["status"] == "cancelled"


async def test_who_follows_a_run_hears_what_it_waits_for(admin: httpx2.AsyncClient) -> None:
    id = await started(admin, 'approve("ship it?", role: "editor")\n')
    (asked,) = await waiting(admin, id)
    told: list[tuple[str, Any]] = []
    async with admin.stream("GET", f"/executions/{id}/logs?follow=true&steps=true") as stream:
        name = ""
        async for line in stream.aiter_lines():
            name = line.removeprefix("event: ") if line.startswith("event: ") else name
            if line.startswith("data: "):
                told.append((name, json.loads(line.removeprefix("data: "))))
                if told[-1] == ("approval", asked):
                    await admin.post(f"/executions/{id}/approve")
    assert ("status", {"status": "waiting", "status_text": None}) in told
    steps = [(data["kind"], data["status"]) for name, data in told if name == "step"]
    assert steps == [("approve", "running"), ("approve", "succeeded")]
    assert told[-1] == ("end", {"status": "complete"})


async def test_only_what_has_ended_can_be_compensated(admin: httpx2.AsyncClient) -> None:
    problem(await admin.post(f"/executions/{uuid.uuid4()}/compensate"), "not_found")
    id = await started(admin, ASKS)
    await waiting(admin, id)
    problem(await admin.post(f"/executions/{id}/compensate"), "not_ended")
    await admin.post(f"/executions/{id}/approve")
    await running(admin, id, "complete")
    document = problem(await admin.post(f"/executions/{id}/compensate"), "nothing_to_do")
    assert "no step" in str(document["detail"])


async def test_decisions_are_taken_without_postgres(
    without_postgres: httpx2.AsyncClient, admin: httpx2.AsyncClient
) -> None:
    id = await started(admin, SEVERAL)
    await waiting(admin, id)
    for word in ("pause", "resume", "approve"):
        answer = await without_postgres.post(f"/executions/{id}/{word}")
        assert answer.status_code == 200, answer.text
    (asked,) = await waiting(admin, id)
    assert asked["step"] == 2
    problem(await without_postgres.get("/approvals"), "no_database")
    await admin.post(f"/executions/{id}/cancel")


# Runs that no worker has


@pytest.fixture
async def orphan(served: Served) -> tuple[str, WorkflowHandle[Any, Any]]:
    """A run that waits for an approval of an admin, as its rows say; nobody polls its task queue."""
    id = str(uuid.uuid4())
    workflow_id = EXECUTE_DEPLOYMENT.workflow_id(id)
    handle = await served.temporal.start_workflow(
        EXECUTE_DEPLOYMENT.type, {}, id=workflow_id, task_queue="nobody"
    )
    began = datetime.now(UTC)
    async with served.database.transaction() as rows:
        await Executions(rows).open(NewExecution(id, workflow_id, began, status="waiting"))
        arguments = json.dumps({"role": "admin", "deadline": None})
        await Steps(rows).started(
            NewStep(str(uuid.uuid4()), id, 7, "approve", 3, 1, "ship?", began, arguments=arguments)
        )
    return id, handle


async def test_what_is_decided_while_no_worker_answers_waits_for_one(
    orphan: tuple[str, WorkflowHandle[Any, Any]], admin: httpx2.AsyncClient, editor: httpx2.AsyncClient
) -> None:
    id, handle = orphan
    problem(await editor.post(f"/executions/{id}/approve"), "forbidden")
    answer = await admin.post(f"/executions/{id}/approve", json={"comment": "yes"})
    assert (answer.status_code, answer.json()) == (
        202,
        {"id": id, "status": "accepted", "step": 7, "fibre": None},
    )
    assert (await admin.post(f"/executions/{id}/pause")).status_code == 202
    history = await handle.fetch_history()
    signals = [
        event.workflow_execution_signaled_event_attributes
        for event in history.events
        if event.HasField("workflow_execution_signaled_event_attributes")
    ]
    sent = {one.signal_name: json.loads(one.input.payloads[0].data) for one in signals}
    decision = DecideInput.model_validate(sent["approve"])
    assert (decision.step, decision.by, decision.comment, decision.via) == (7, "somebody", "yes", "api")
    assert is_signed([public_of(SIGNING_KEY)], id, decision, approved=True)
    assert sent["pause"]["by"] == "somebody"
    await handle.terminate()
    problem(await admin.post(f"/executions/{id}/approve"), "ended")


async def test_where_nobody_knows_what_a_run_waits_for_nothing_is_decided(
    orphan: tuple[str, WorkflowHandle[Any, Any]], without_postgres: httpx2.AsyncClient
) -> None:
    id, handle = orphan
    answer = await without_postgres.post(f"/executions/{id}/approve")
    problem(answer, "no_worker")
    assert answer.headers["retry-after"] == "1"
    await handle.terminate()


async def test_what_is_sent_before_a_run_has_taken_up_its_state_waits_for_it(
    served: Served, admin: httpx2.AsyncClient
) -> None:
    """A run that has just continued as new has its open approval in what it carries."""
    first = await started(admin, ASKS)
    (asked,) = await waiting(admin, first)
    shown = await running(admin, first, "waiting")
    code = compile_source(ASKS).code
    assert code is not None
    machine = Machine.start(bind(code), {})
    assert isinstance(machine.advance(), Asking)
    id, now = str(uuid.uuid4()), datetime.now(UTC).timestamp()
    workflow_id = EXECUTE_DEPLOYMENT.workflow_id(id)
    carried = Carried(
        record=ExecutionRecord(id=id, workflow_id=workflow_id, started_at=now),
        program=shown["content_hash"],
        state=pack(machine.state()),
        budget=Budget(),
        since={asked["step"]: now},
        run=2,
    )
    async with served.database.transaction() as rows:
        await Executions(rows).open(NewExecution(id, workflow_id, datetime.now(UTC)))
    handle = await served.temporal.start_workflow(
        EXECUTE_DEPLOYMENT.type,
        ExecuteInput(execution=id, carried=carried),
        id=workflow_id,
        task_queue=EXECUTE_DEPLOYMENT.queue,
        start_signal="approve",
        start_signal_args=[{"comment": "early"}],
    )
    async with asyncio.timeout(30):
        assert (await handle.result())["result"]["comment"] == "early"
    await admin.post(f"/executions/{first}/cancel")


async def test_who_started_a_run_may_not_approve_it_where_it_says_so(
    served: Served, editor: httpx2.AsyncClient, admin: httpx2.AsyncClient
) -> None:
    id = await started(editor, 'return approve("go on?", allow_self: false).by\n')
    (asked,) = await waiting(editor, id)
    assert asked["allow_self"] is False
    detail = problem(await editor.post(f"/executions/{id}/approve"), "forbidden")["detail"]
    assert "somebody else than an editor" in str(detail)
    run = served.temporal.get_workflow_handle(EXECUTE_DEPLOYMENT.workflow_id(id))
    await run.signal("approve", {})
    await waiting(editor, id)
    assert (await admin.post(f"/executions/{id}/approve")).json()["status"] == "approved"
    assert (await running(editor, id, "complete"))["result"] == "somebody"
    log = (await editor.get(f"/executions/{id}/logs")).text
    assert "the signal approve was not taken" in log and "approve by somebody, step 1" in log
