"""Parked runs by the API: what is said to them, what is refused, and what is written down of it."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import httpx2
import pytest
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    StartWorkflowUpdateInput,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
)
from temporalio.service import RPCError, RPCStatusCode

from codeai.api.commands import Addressed
from codeai.api.operations import Operation
from codeai.api.problems import Refused
from codeai.persistence.audit import Audit
from codeai.persistence.pages import Page
from codeai.workflows.contracts.commands import SetInput
from tests.api.conftest import Served
from tests.api.test_edge import problem
from tests.api.test_executions import running, started

DIVIDES = "var n = 0\nvar x = 6 / n\nreturn x\n"
TWO = "var n = 0\nreturn parallel for i in [4, 8] { return i / n }\n"


async def parked(client: httpx2.AsyncClient, program: str, **more: Any) -> str:
    """The id of a run that is parked."""
    body = {"program": program, "failure_policy": "park", **more}
    answer = await client.post("/executions", json=body)
    assert answer.status_code == 202, answer.text
    id: str = answer.json()["id"]
    await running(client, id, "parked")
    return id


async def said(client: httpx2.AsyncClient, id: str, word: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(f"/executions/{id}/{word}", json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_parked_run_says_where_and_goes_on_with_another_value(
    admin: httpx2.AsyncClient, served: Served
) -> None:
    id = await parked(admin, DIVIDES)
    state = (await admin.get(f"/executions/{id}/state")).json()
    (fibre,) = state["fibres"]
    assert (state["status"], fibre["line"], fibre["waits"]) == ("parked", 2, "parked")
    assert fibre["error"]["kind"] == "division_by_zero" and "retry" in fibre["can"]
    assert state["parked_until"] is not None
    shown = (await admin.get(f"/executions/{id}")).json()
    assert shown["status_text"] == "parked at line 2: division by zero"
    told = await said(admin, id, "set", name="n", value=2, comment="it was empty")
    assert told == {"id": id, "status": "parked", "step": None, "fibre": 1}
    assert (await said(admin, id, "retry"))["status"] == "running"
    assert (await running(admin, id, "complete"))["result"] == 3
    log = (await admin.get(f"/executions/{id}/logs")).text
    assert "parked at line 2: division by zero" in log
    assert "set by somebody, line 2, fibre 1, name n: it was empty" in log
    async with served.database.session() as rows:
        entries = (await Audit(rows).page(Page(limit=50))).items
    own = [one for one in reversed(entries) if one.entity == f"execution/{id}"]
    assert [(one.action, one.actor, one.via) for one in own] == [
        ("start", "somebody", "api"),
        ("set", "somebody", "api"),
        ("retry", "somebody", "api"),
    ]
    assert json.loads(own[1].details)["comment"] == "it was empty"
    assert {one.workflow_id for one in own} == {f"execution/{id}"} and all(one.request_id for one in own)
    trace = (await admin.get(f"/executions/{id}/trace")).json()
    assert trace["complete"] and trace["cut"] is None


async def test_what_is_said_to_a_parked_run_that_is_paused_is_done_when_it_is_resumed(
    admin: httpx2.AsyncClient,
) -> None:
    id = await parked(admin, DIVIDES)
    await said(admin, id, "pause")
    await running(admin, id, "paused")
    assert (await said(admin, id, "skip", value=9))["status"] == "paused"
    await said(admin, id, "resume")
    assert (await running(admin, id, "complete"))["result"] == 9


async def test_a_word_that_comes_twice_counts_once(admin: httpx2.AsyncClient, served: Served) -> None:
    """As the API sends it where no worker answers in time: as an update, then as a signal."""
    id = await parked(admin, DIVIDES)
    run = served.temporal.get_workflow_handle(f"execution/{id}")
    for word in ("one", "other"):
        await run.execute_update("retry", {"id": word})
        await running(admin, id, "parked")
        await run.signal("retry", {"id": word})
    await said(admin, id, "skip", value=7)
    assert (await running(admin, id, "complete"))["result"] == 7
    assert (await admin.get(f"/executions/{id}/logs")).text.count("retry (by temporal)") == 2


async def test_a_repeated_request_has_its_answer_also_where_it_was_the_last_word(
    admin: httpx2.AsyncClient,
) -> None:
    """A second click comes when the run has ended: what it says was done, not that there is nothing to do."""
    id = await parked(admin, DIVIDES)
    await said(admin, id, "set", name="n", value=2)
    click = {"url": f"/executions/{id}/retry", "json": {}, "headers": {"Idempotency-Key": "one"}}
    first = await admin.post(**click)
    assert first.status_code == 200, first.text
    await running(admin, id, "complete")
    again = await admin.post(**click)
    assert (again.status_code, again.json()) == (200, first.json())
    problem(await admin.post(f"/executions/{id}/retry", json={}), "nothing_to_do")


async def test_a_key_that_is_used_again_for_something_else_is_refused(
    admin: httpx2.AsyncClient, served: Served
) -> None:
    """Whether the first was taken, refused, or waits as a signal: nobody is told that the second was done."""
    id = await parked(admin, DIVIDES)

    async def post(word: str, key: str, **body: Any) -> httpx2.Response:
        return await admin.post(f"/executions/{id}/{word}", json=body, headers={"Idempotency-Key": key})

    assert (await post("set", "taken", name="n", value=2)).status_code == 200
    problem(await post("set", "taken", name="n", value=3), "idempotency_key_reused")
    assert (await post("set", "taken", name="n", value=2)).status_code == 200
    problem(await post("skip", "refused", fibre=9), "not_parked")
    problem(await post("skip", "refused", fibre=1), "idempotency_key_reused")
    problem(await post("skip", "refused", fibre=9), "not_parked")
    run = served.temporal.get_workflow_handle(f"execution/{id}")
    await run.signal("set", {"id": "word", "body": "a", "name": "n", "value": 3})
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await run.execute_update("set", {"id": "word", "body": "b", "name": "n", "value": 6})
    assert getattr(failed.value.cause, "type", None) == "idempotency_key_reused"
    assert (await post("retry", "last")).status_code == 200
    assert (await running(admin, id, "complete"))["result"] == 2
    problem(await post("retry", "last", comment="another"), "idempotency_key_reused")


async def test_a_key_of_a_reopened_run_is_of_one_body(admin: httpx2.AsyncClient) -> None:
    body = {"program": 'sleep("10ms")\nfail("no")\n', "failure_policy": "fail"}
    id = (await admin.post("/executions", json=body)).json()["id"]
    await running(admin, id, "failed")

    async def retry(**body: Any) -> httpx2.Response:
        key = {"Idempotency-Key": "one"}
        return await admin.post(f"/executions/{id}/retry", json=body, headers=key)

    async with asyncio.timeout(20):  # the row says so a moment before its workflow has ended
        while (first := await retry()).status_code == 409:
            await asyncio.sleep(0.02)
    assert first.status_code == 202
    assert (await retry()).json() == first.json()
    problem(await retry(comment="why"), "idempotency_key_reused")


async def test_a_word_that_was_refused_is_refused_again(admin: httpx2.AsyncClient, served: Served) -> None:
    """As an update that the API does not wait for any longer, and sends as a signal: it has one outcome."""
    id = await started(admin, 'approve("go on?")\nreturn 1 / 0\n', failure_policy="park")
    await running(admin, id, "waiting")
    run = served.temporal.get_workflow_handle(f"execution/{id}")
    with pytest.raises(WorkflowUpdateFailedError):
        await run.execute_update("retry", {"id": "one"})
    await said(admin, id, "approve")
    await running(admin, id, "parked")
    await run.signal("retry", {"id": "one"})
    await said(admin, id, "skip")
    await running(admin, id, "complete")
    log = (await admin.get(f"/executions/{id}/logs")).text
    assert "retry (by temporal)" not in log
    assert "the signal retry was not taken: nothing of this run is parked" in log


@pytest.mark.parametrize(
    ("word", "body", "status", "result"),
    [
        ("skip", {"value": [1, 2.0]}, "complete", [1, 2.0]),
        ("skip", {}, "complete", None),
        ("rollback", {}, "failed", None),
        ("abort", {"comment": "no"}, "failed", None),
    ],
)
async def test_each_way_on_has_its_end(
    admin: httpx2.AsyncClient, word: str, body: dict[str, Any], status: str, result: Any
) -> None:
    id = await parked(admin, DIVIDES)
    await said(admin, id, word, **body)
    ended = await running(admin, id, status)
    assert ended["result"] == result
    assert (ended["error"] is None) == (status == "complete")
    if status == "failed":
        assert ended["error"]["line"] == 2
        problem(await admin.post(f"/executions/{id}/skip"), "ended")


async def test_of_several_fibres_one_is_named(admin: httpx2.AsyncClient) -> None:
    id = await parked(admin, TWO)
    detail = problem(await admin.post(f"/executions/{id}/retry"), "which_fibre")["detail"]
    assert "fibre 2 at line 2" in str(detail) and "fibre 3 at line 2" in str(detail)
    problem(await admin.post(f"/executions/{id}/skip", json={"fibre": 9}), "not_parked")
    await said(admin, id, "set", fibre=2, name="n", value=4)
    await said(admin, id, "retry", fibre=2)
    await said(admin, id, "retry", fibre=3)
    assert (await running(admin, id, "complete"))["result"] == [1, 2]


async def test_what_does_not_fit_is_refused(admin: httpx2.AsyncClient) -> None:
    id = await parked(admin, "var m = {}\nm.a = 1 / 0\nreturn m\n")
    detail = problem(
        await admin.post(f"/executions/{id}/set", json={"name": "q", "value": 1}), "no_variable"
    )["detail"]
    assert "there are: m" in str(detail)
    problem(await admin.post(f"/executions/{id}/skip", json={"value": 1}), "invalid_value")
    problem(await admin.post(f"/executions/{id}/set", json={"name": "m"}), "invalid")
    problem(await admin.post(f"/executions/{uuid.uuid4()}/retry"), "not_found")
    await admin.post(f"/executions/{id}/cancel")
    assert (await running(admin, id, "cancelled"))["error"]["kind"] == "cancelled"
    async with asyncio.timeout(20):  # the row says so a moment before its workflow has ended
        while (answer := await admin.post(f"/executions/{id}/retry")).json()["code"] == "not_ended":
            await asyncio.sleep(0.02)
    problem(answer, "nothing_to_do")
    waits = (await admin.post("/executions", json={"program": 'sleep("1h")\n'})).json()["id"]
    await running(admin, waits, "waiting")
    for word in ("retry", "skip", "rollback"):
        problem(await admin.post(f"/executions/{waits}/{word}"), "not_parked")
    assert (await said(admin, waits, "abort", comment="enough"))["status"] == "failed"
    assert (await running(admin, waits, "failed"))["error"]["message"] == "aborted by somebody: enough"


async def test_nobody_comes_in_time(admin: httpx2.AsyncClient) -> None:
    id = await parked(admin, DIVIDES, park_timeout=0.3)
    assert (await running(admin, id, "failed"))["error"]["kind"] == "division_by_zero"
    assert "nobody came in time" in (await admin.get(f"/executions/{id}/logs")).text


async def test_a_fibre_that_parks_beside_one_that_goes_on_is_told_at_once(admin: httpx2.AsyncClient) -> None:
    """Somebody has to act. And a workflow task that left nothing in the history would be told together with the command
    that comes next, to a worker that takes the run up by it (decision 0007)."""
    name = f"c-{uuid.uuid4()}"
    await admin.post("/configs", json={"name": name, "content": 'sleep("1h")\n'})
    program = f"""parallel for what in ["runs", "fails"] {{
    if what == "runs" {{ run("{name}") }}
    sleep("300ms")
    log(1 / 0)
}}
"""
    answer = await admin.post("/executions", json={"program": program, "failure_policy": "park"})
    id = answer.json()["id"]
    async with asyncio.timeout(20):
        while "parked at line 4" not in (await admin.get(f"/executions/{id}/logs")).text:
            await asyncio.sleep(0.05)
    assert (await admin.get(f"/executions/{id}")).json()["status"] == "running"
    await said(admin, id, "abort")


async def test_a_deployment_is_parked_with_its_run(admin: httpx2.AsyncClient) -> None:
    config = (await admin.post("/configs", json={"name": f"c-{uuid.uuid4()}", "content": DIVIDES})).json()
    body = {"name": f"d-{uuid.uuid4()}", "config_id": config["id"], "failure_policy": "park"}
    deployment = (await admin.post("/deployments", json=body)).json()
    id = (await admin.post(f"/deployments/{deployment['id']}/execute")).json()["id"]
    await running(admin, id, "parked")
    assert (await admin.get(f"/deployments/{deployment['id']}")).json()["status"] == "parked"
    assert id in [one["id"] for one in (await admin.get("/executions?status=parked")).json()["items"]]
    await said(admin, id, "abort")


async def test_commands_need_their_permission(served: Served, admin: httpx2.AsyncClient) -> None:
    id = await parked(admin, DIVIDES)
    async with served.client("viewer") as viewer:
        for word in ("retry", "skip", "rollback", "abort"):
            problem(await viewer.post(f"/executions/{id}/{word}"), "forbidden")
    await said(admin, id, "rollback")


class LosesUpdates(Interceptor, OutboundInterceptor):
    """Temporal as it answers where it has lost an update with the worker that had it."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        self.next = next
        return self

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:
        raise RPCError("update not found", RPCStatusCode.NOT_FOUND, b"")


async def test_a_command_that_temporal_loses_reaches_the_run_as_a_signal(
    admin: httpx2.AsyncClient, served: Served
) -> None:
    """Of a run under way nobody is told that Temporal knows nothing of it."""
    id = await parked(admin, DIVIDES)
    config = served.temporal.config() | {"interceptors": [LosesUpdates()]}
    run = Client(**config).get_workflow_handle(f"execution/{id}")
    addressed = Addressed(uuid.UUID(id), served.temporal, run, None)
    given = SetInput(name="n", value=3, by="somebody")
    assert (
        await addressed.send("set", given, Operation("lost once", "somebody", "one"), by_signal=False) is None
    )
    assert (await said(admin, id, "retry"))["status"] == "running"
    assert (await run.result())["result"] == 2  # its row says so a moment before its workflow has ended
    with pytest.raises(Refused, match="any more but retry, patch and compensate"):
        await addressed.send("set", given, Operation("lost again", "somebody", "one"), by_signal=False)
