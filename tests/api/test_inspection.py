"""Looking into runs: the trace of what they did, and where they stand, with a worker and without."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import httpx2
import pytest
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    QueryWorkflowInput,
    WorkflowFailureError,
)

from codeai.api import recordings
from codeai.api.dependencies import Parts
from codeai.api.questions import ask
from codeai.api.routers import inspection
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
from tests.api.conftest import Served
from tests.api.test_edge import problem
from tests.api.test_executions import running, started

PROGRAM = """param name = "world"
var all = []
for i in range(3) {
    all = append(all, "${i} ${name}")
}
try { fail("no") } catch e { log(e.message) }
return all
"""
WAITING = 'param p\nvar a = [p]\nsleep("1h")\nreturn a\n'


async def finished(client: httpx2.AsyncClient, program: str, **inputs: Any) -> str:
    """The place of a run that has ended."""
    answer = await client.post("/executions", json={"program": program, "inputs": inputs, "wait": True})
    assert answer.status_code == 200, answer.text
    place: str = answer.headers["location"]
    return place


async def traced(client: httpx2.AsyncClient, place: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(f"{place}/trace", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_trace_says_what_ran_with_which_values(admin: httpx2.AsyncClient) -> None:
    place = await finished(admin, PROGRAM, name="you")
    found = await traced(admin, place)
    assert (found["complete"], found["cut"], found["status"], found["runs"]) == (True, None, "complete", [1])
    items = found["items"]
    assert [one["index"] for one in items] == list(range(1, found["total"] + 1))
    assert items[0]["changed"] == [{"name": "name", "after": "you"}]
    last = items[-1]
    assert (last["kind"], last["line"], last["source"]) == ("return", 7, "return all")
    assert last["value"] == ["0 you", "1 you", "2 you"]
    asked = next(one for one in items if one["kind"] == "ask")
    assert (asked["name"], asked["step"], asked["arguments"]) == ("log", 1, {"text": "no"})


class Counts(Interceptor, OutboundInterceptor):
    """How many questions were under way at once."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        self.next = next
        return self

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:
        self.now += 1
        self.most = max(self.most, self.now)
        answer = await self.next.query_workflow(input)
        self.now -= 1
        return answer


async def test_a_run_is_asked_one_thing_after_the_other(admin: httpx2.AsyncClient, served: Served) -> None:
    """Its worker may forget it behind a question; those that came meanwhile would be answered a second later."""
    id = await started(admin, WAITING, inputs={"p": 7})
    await running(admin, id, "waiting")
    counts = Counts()
    temporal = Client(**served.temporal.config() | {"interceptors": [counts]})
    run = temporal.get_workflow_handle(EXECUTE_DEPLOYMENT.workflow_id(id))
    answers = await asyncio.gather(*(ask(run, "state") for _ in range(12)))
    assert [one["fibres"][0]["variables"]["p"] for one in answers] == [7] * 12
    assert counts.most == 1
    await admin.post(f"/executions/{id}/cancel")


async def test_a_window_of_a_trace(admin: httpx2.AsyncClient) -> None:
    place = await finished(admin, PROGRAM)
    everything = (await traced(admin, place))["items"]
    assert (await traced(admin, place, **{"from": -2}))["items"] == everything[-2:]
    assert (await traced(admin, place, **{"from": 3, "limit": 2}))["items"] == everything[2:4]
    caught = next(one for one in everything if one["kind"] == "caught")
    assert caught in (await traced(admin, place, around="error", limit=4))["items"]
    at = await traced(admin, place, at=everything[4]["index"])
    assert at["items"] == [everything[4]]
    (fibre,) = at["view"]["fibres"]
    assert fibre["variables"] == {"name": "world", "all": ["0 world"], "i": 1}
    assert fibre["source"] == 'all = append(all, "${i} ${name}")'


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "from=x", "around=here", "run=0"])
async def test_a_window_that_is_none_is_refused(admin: httpx2.AsyncClient, query: str) -> None:
    place = await finished(admin, "return 1")
    problem(await admin.get(f"{place}/trace?{query}"), "invalid")


async def test_a_run_under_way_is_traced_with_what_its_worker_has(admin: httpx2.AsyncClient) -> None:
    id = await started(admin, WAITING, inputs={"p": 5})
    await running(admin, id, "waiting")
    found = await traced(admin, f"/executions/{id}")
    assert (found["complete"], found["cut"]) == (False, None)
    assert [one["kind"] for one in found["items"]] == ["input", "assign", "ask"]
    state = (await admin.get(f"/executions/{id}/state")).json()
    (fibre,) = state["fibres"]
    assert (fibre["source"], fibre["variables"]) == ('sleep("1h")', {"p": 5, "a": [5]})
    assert state["pending"][0]["arguments"] == {"duration": 3600.0}
    await admin.post(f"/executions/{id}/cancel")


async def nobody(_parts: Parts, _workflow_id: str, _query: str) -> None:
    """No worker answers."""


async def test_what_has_ended_needs_no_worker(
    admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "asked", nobody)
    monkeypatch.setattr(recordings, "asked", nobody)
    place = await finished(admin, PROGRAM)
    assert (await traced(admin, place))["complete"]
    state = (await admin.get(f"{place}/state")).json()
    assert state["as_of"] and state["status"] == "complete"
    (fibre,) = state["fibres"]
    assert (fibre["source"], fibre["variables"]["all"]) == ("return all", ["0 world", "1 world", "2 world"])


async def test_a_command_that_came_to_nothing_does_not_hide_how_a_run_ended(
    admin: httpx2.AsyncClient, served: Served
) -> None:
    id = await started(admin, "log('on')\nfail('no')")
    await running(admin, id, "failed")
    again = await served.temporal.start_workflow(
        EXECUTE_DEPLOYMENT.type,
        {"execution": id, "do": "compensate"},
        id=EXECUTE_DEPLOYMENT.workflow_id(id),
        task_queue=EXECUTE_DEPLOYMENT.queue,
    )
    with pytest.raises(WorkflowFailureError):
        await again.result()
    state = (await admin.get(f"/executions/{id}/state")).json()
    assert (state["status"], state["fibres"][0]["line"]) == ("failed", 2)


async def test_a_run_that_nobody_answers_for_says_so(
    admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await started(admin, WAITING, inputs={"p": 5})
    await running(admin, id, "waiting")
    monkeypatch.setattr(inspection, "asked", nobody)
    monkeypatch.setattr(recordings, "asked", nobody)
    for path in ("state", "trace"):
        problem(await admin.get(f"/executions/{id}/{path}"), "no_worker")
    await admin.post(f"/executions/{id}/cancel")


async def test_what_was_not_kept_is_said(served: Served, admin: httpx2.AsyncClient) -> None:
    place = await finished(admin, "param n = 1\nreturn n", n=2)
    said = problem(await admin.get(f"{place}/trace?run=7"), "not_found")["detail"]
    assert "no workflow run 7" in str(said)
    refused = str(uuid.uuid4())
    run = await served.temporal.start_workflow(
        EXECUTE_DEPLOYMENT.type,
        {"execution": refused, "program": "param n\nreturn n"},
        id=EXECUTE_DEPLOYMENT.workflow_id(refused),
        task_queue=EXECUTE_DEPLOYMENT.queue,
    )
    with pytest.raises(WorkflowFailureError):
        await run.result()
    problem(await admin.get(f"/executions/{refused}/trace"), "no_trace")


async def test_values_are_shown_to_inspectors_only(served: Served, admin: httpx2.AsyncClient) -> None:
    place = await finished(admin, PROGRAM)
    async with served.client("viewer") as viewer:
        problem(await viewer.get(f"{place}/trace"), "forbidden")
