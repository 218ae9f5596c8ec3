"""Runs: how they are started, followed and read."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import httpx2
import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from codeai.api import disk, runs
from codeai.api.dependencies import Parts
from codeai.persistence.executions import Execution
from codeai.workflows.contracts.attributes import at_start
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
from codeai.workflows.contracts.queues import WORKFLOWS
from tests.api.conftest import Served
from tests.api.test_changes import named
from tests.api.test_edge import problem

PROGRAM = 'param name = "world"\nlog("one")\nlog("two")\nreturn "hello ${name}"\n'
LONG = 'log("it begins")\nsleep("1h")\n'


async def started(client: httpx2.AsyncClient, program: str, **more: Any) -> str:
    answer = await client.post("/executions", json={"program": program} | more)
    assert answer.status_code == 202, answer.text
    id: str = answer.json()["id"]
    assert answer.headers["location"] == f"/executions/{id}"
    return id


async def running(client: httpx2.AsyncClient, id: str, *statuses: str) -> dict[str, Any]:
    """The run as soon as it is in one of these; under way where none is named."""
    for _ in range(200):
        shown: dict[str, Any] = (await client.get(f"/executions/{id}")).json()
        if shown["status"] in (statuses or ("running", "waiting")):
            return shown
        await asyncio.sleep(0.05)
    raise AssertionError(shown)


async def test_a_result_can_be_waited_for(admin: httpx2.AsyncClient) -> None:
    answer = await admin.post(
        "/executions", json={"program": PROGRAM, "inputs": {"name": "you"}, "wait": True}
    )
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["result"]) == ("complete", "hello you")
    shown = (await admin.get(answer.headers["location"])).json()
    assert (shown["status"], shown["result"], shown["inputs"]) == ("complete", "hello you", {"name": "you"})
    assert shown["triggered_by"] == "somebody" and shown["completed_at"]


async def test_a_failed_run_says_where(admin: httpx2.AsyncClient) -> None:
    answer = await admin.post("/executions", json={"program": 'var a = 1\nfail("no good")\n', "wait": True})
    assert answer.status_code == 200
    error = answer.json()["error"]
    assert (answer.json()["status"], error["kind"], error["line"]) == ("failed", "failed", 2)
    result = (await admin.get(answer.headers["location"] + "/result")).json()
    assert result["error"]["message"] == "no good" and result["completed_at"]


async def test_a_location_always_answers(admin: httpx2.AsyncClient) -> None:
    answer = await admin.post("/executions", json={"program": PROGRAM})
    for path in ("", "/result", "/steps", "/logs"):
        assert (await admin.get(answer.headers["location"] + path)).status_code == 200


@pytest.mark.parametrize("path", ["", "/result", "/steps"])
async def test_a_run_that_ends_while_it_is_looked_for_is_found(
    admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """The row was not there at the first look, and Temporal then says that the run is over."""
    answer = await admin.post("/executions", json={"program": 'fail("short")', "wait": True})
    row, looks = runs.row, 0

    async def too_early(parts: Parts, id: uuid.UUID) -> Execution | None:
        nonlocal looks
        looks += 1
        return None if looks == 1 else await row(parts, id)

    monkeypatch.setattr(runs, "row", too_early)
    found = await admin.get(answer.headers["location"] + path)
    assert found.status_code == 200, found.text
    assert path == "/steps" or found.json()["error"]["message"] == "short"
    assert looks == 2


async def test_a_program_with_errors_is_not_started(admin: httpx2.AsyncClient) -> None:
    document = problem(await admin.post("/executions", json={"program": "return nowhere"}), "invalid_program")
    assert [(one["line"], one["column"]) for one in document["diagnostics"]] == [(1, 8)]


@pytest.mark.parametrize("inputs", [{}, {"needed": 1, "n": "x"}, {"needed": 1, "unknown": 2}])
async def test_inputs_that_do_not_fit_are_refused(admin: httpx2.AsyncClient, inputs: dict[str, Any]) -> None:
    body = {"program": "param needed\nparam n = 1\nreturn [needed, n]", "inputs": inputs}
    assert problem(await admin.post("/executions", json=body), "invalid_input")["errors"]


async def test_a_run_with_countless_wrong_inputs_fails(served: Served, admin: httpx2.AsyncClient) -> None:
    """Whoever starts it: to tell all of them was more than Temporal takes, and the run stood still for ever."""
    inputs = {f"x{number}": number for number in range(60_000)}
    told = problem(await admin.post("/executions", json={"program": "", "inputs": inputs}), "invalid_input")
    assert len(told["errors"]) == 100  # type: ignore[arg-type]
    by_hand = {"program": "", "inputs": inputs}
    id = str(uuid.uuid4())
    with pytest.raises(WorkflowFailureError) as failed:
        await served.temporal.execute_workflow("ExecuteDeployment", by_hand, id=id, task_queue=WORKFLOWS)
    assert isinstance(failed.value.cause, ApplicationError) and failed.value.cause.type == "invalid_input"


@pytest.mark.parametrize(
    "body",
    [{}, {"program": "return 1", "config": "x"}, {"program": "return 1", "version": 1}, {"program": 1}, []],
)
async def test_what_is_no_run_is_refused(admin: httpx2.AsyncClient, body: object) -> None:
    problem(await admin.post("/executions", json=body), "invalid")


async def test_unknown_things_are_not_found(admin: httpx2.AsyncClient) -> None:
    id = uuid.uuid4()
    problem(await admin.post("/executions", json={"config": "no such config"}), "not_found")
    problem(await admin.post(f"/deployments/{id}/execute", json={}), "not_found")
    problem(await admin.post(f"/deployments/{id}/stop"), "not_found")
    problem(await admin.post(f"/executions/{id}/cancel"), "not_found")
    for path in ("", "/steps", "/logs", "/logs?follow=true", "/state", "/trace", "/result"):
        problem(await admin.get(f"/executions/{id}{path}"), "not_found")


async def test_a_deployment_is_executed_with_its_inputs(admin: httpx2.AsyncClient) -> None:
    config = (await admin.post("/configs", json={"name": named(), "content": PROGRAM})).json()
    body = {"name": named(), "config_id": config["id"], "inputs": {"name": "you"}}
    place = (await admin.post("/deployments", json=body)).headers["location"]
    own = await admin.post(f"{place}/execute", json={"wait": True})
    assert own.json()["result"] == "hello you"
    given = await admin.post(f"{place}/execute", json={"wait": True, "inputs": {"name": "me"}})
    assert given.json()["result"] == "hello me"
    assert (await admin.get(place)).json()["status"] == "complete"
    runs = (await admin.get(f"/executions?deployment_id={place.rpartition('/')[2]}")).json()["items"]
    assert [one["inputs"]["name"] for one in runs] == ["me", "you"]
    assert (await admin.post(f"{place}/execute")).status_code == 202


async def test_on_a_full_disk_nothing_is_started(
    admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "LEAST_FREE", 1.01)
    refused = await admin.post("/executions", json={"program": "return 1"})
    problem(refused, "disk")
    assert refused.status_code == 503 and refused.headers["retry-after"] == "60"
    place = (await admin.post("/deployments", json={"name": named()})).headers["location"]
    problem(await admin.post(f"{place}/execute", json={}), "disk")
    monkeypatch.setattr(disk, "LEAST_FREE", 0.0)
    assert (await admin.post("/executions", json={"program": "return 1"})).status_code == 202


async def test_a_deployment_without_a_config_cannot_be_executed(admin: httpx2.AsyncClient) -> None:
    place = (await admin.post("/deployments", json={"name": named()})).headers["location"]
    problem(await admin.post(f"{place}/execute", json={}), "no_config")


async def test_a_version_that_no_config_can_have_is_not_found(
    served: Served, admin: httpx2.AsyncClient
) -> None:
    """Whoever asks for it: a program, or somebody by Temporal alone."""
    name = named()
    await admin.post("/configs", json={"name": name, "content": "return 1"})
    body = {"program": f'run("{name}", version: 99999999999)\n', "wait": True}
    assert (await admin.post("/executions", json=body)).json()["error"]["kind"] == "not_found"
    by_hand = {"config": name, "version": 99999999999}
    id = str(uuid.uuid4())
    with pytest.raises(WorkflowFailureError) as failed:
        await served.temporal.execute_workflow("ExecuteDeployment", by_hand, id=id, task_queue=WORKFLOWS)
    assert isinstance(failed.value.cause, ApplicationError) and failed.value.cause.type == "not_found"


@pytest.mark.parametrize("seconds", [0, -1, 1e10, 1e308])
async def test_nothing_is_parked_for_longer_than_a_timer_can_be(
    admin: httpx2.AsyncClient, seconds: float
) -> None:
    """It would be known when the run parks, which then could do nothing more."""
    parked = {"park_timeout": seconds}
    made = (await admin.post("/deployments", json={"name": named()})).json()
    for path, body in (
        ("/executions", {"program": "return 1"}),
        ("/deployments", {"name": named()}),
        (f"/deployments/{made['id']}/execute", {}),
    ):
        problem(await admin.post(path, json=body | parked), "invalid")
    query = f"UPDATE deployments SET park_timeout = @seconds WHERE id = {made['id']}"
    problem(
        await admin.post("/query", json={"query": query, "params": {"seconds": float(seconds)}}),
        "invalid_query",
    )


async def test_names_and_subjects_of_any_letters_start_runs(served: Served) -> None:
    """Each of these letters has 12 bytes where Temporal counts them: it refused them, which was a 500."""
    name, subject = f"{uuid.uuid4().hex}{'𝄞' * 223}", "𝄞" * 300
    async with served.client("admin", subject=subject) as client:
        await client.post("/configs", json={"name": name, "content": LONG})
        config = (await client.get("/configs", params={"filter": f"name = '{name}'"})).json()["items"][0]
        made = await client.post("/deployments", json={"name": name, "config_id": config["id"]})
        assert made.status_code == 201, made.text
        run = await client.post(f"/deployments/{name}/execute")
        assert run.status_code == 202, run.text
        shown = await running(client, run.json()["id"])
        assert shown["triggered_by"] == subject
        assert (await client.post(f"/deployments/{name}/stop")).json()["cancelled"] == [shown["id"]]


async def test_what_a_run_says_of_itself_is_shown_while_it_runs(admin: httpx2.AsyncClient) -> None:
    id = await started(admin, 'set_status("half way")\nexec(queue: "nobody") { true }')
    async with asyncio.timeout(30):
        while (await running(admin, id, "running"))["status_text"] != "half way":
            await asyncio.sleep(0.05)
    await admin.post(f"/executions/{id}/cancel")
    await running(admin, id, "cancelled")


async def test_stop_cancels_what_runs(admin: httpx2.AsyncClient) -> None:
    config = (await admin.post("/configs", json={"name": named(), "content": LONG})).json()
    body = {"name": named(), "config_id": config["id"]}
    place = (await admin.post("/deployments", json=body)).headers["location"]
    id = (await admin.post(f"{place}/execute")).json()["id"]
    await running(admin, id)
    stopped = await admin.post(f"{place}/stop")
    assert stopped.status_code == 202 and stopped.json()["cancelled"] == [id]
    await running(admin, id, "cancelled")
    audit = (await admin.get("/audit", params={"entity": f"execution/{id}"})).json()["items"]
    assert [entry["action"] for entry in audit] == ["stop", "start"]
    assert (await admin.get(place)).json()["status"] == "stopped"
    async with asyncio.timeout(30):  # Temporal's lists follow a moment later
        while (await admin.post(f"{place}/stop")).json()["cancelled"]:
            await asyncio.sleep(0.02)


async def test_stop_reaches_a_run_that_has_no_row_yet(served: Served, admin: httpx2.AsyncClient) -> None:
    name, id = named(), str(uuid.uuid4())
    place = (await admin.post("/deployments", json={"name": name})).headers["location"]
    run = await served.temporal.start_workflow(
        EXECUTE_DEPLOYMENT.type,
        {"deployment": name, "execution": id},
        id=EXECUTE_DEPLOYMENT.workflow_id(id),
        task_queue="nobody-polls-this",
        search_attributes=at_start(EXECUTE_DEPLOYMENT.type, f"deployment/{name}", None),
    )
    async with asyncio.timeout(30):  # Temporal's lists follow a moment later
        while not (cancelled := (await admin.post(f"{place}/stop")).json()["cancelled"]):
            await asyncio.sleep(0.1)
    assert cancelled == [id]
    await run.terminate()


async def test_who_cancelled_a_run_stands_in_its_history_its_log_and_the_audit_log(served: Served) -> None:
    async with served.client("admin", subject="ann") as ann:
        id = await started(ann, LONG)
        async with asyncio.timeout(30):  # one that is cancelled before it has begun has no log
            while "it begins" not in (await ann.get(f"/executions/{id}/logs")).text:
                await asyncio.sleep(0.05)
        why = "the wrong branch, request x: " + "y" * 4000
        await ann.post(
            f"/executions/{id}/cancel", json={"comment": why}, headers={"X-Request-Id": "request-7"}
        )
        await running(ann, id, "cancelled")
        assert "cancel by ann: the wrong branch" in (await ann.get(f"/executions/{id}/logs")).text
        audit = (await ann.get("/audit", params={"entity": f"execution/{id}", "action": "cancel"})).json()
        (entry,) = audit["items"]
        assert (entry["actor"], entry["via"], entry["request_id"]) == ("ann", "api", "request-7")
        assert entry["workflow_id"] == f"execution/{id}" and entry["details"] == {"comment": why}
    history = await served.temporal.get_workflow_handle(f"execution/{id}").fetch_history()
    asked = [event.workflow_execution_cancel_requested_event_attributes for event in history.events]
    assert [one.cause for one in asked if one.cause] == [f"cancel by ann, request request-7: {why}"]


async def test_cancel_ends_a_run_and_again_has_no_effect(admin: httpx2.AsyncClient) -> None:
    id = await started(admin, LONG)
    await running(admin, id)
    assert (await admin.post(f"/executions/{id}/cancel")).status_code == 202
    shown = await running(admin, id, "cancelled")
    assert shown["error"]["kind"] == "cancelled"
    again = await admin.post(f"/executions/{id}/cancel")
    assert again.status_code == 202 and again.json()["status"] == "cancelled"


async def test_the_state_says_where_a_run_is(admin: httpx2.AsyncClient) -> None:
    id = await started(admin, 'var a = [1, 2]\nsleep("1h")\nreturn a\n')
    await running(admin, id)
    state = (await admin.get(f"/executions/{id}/state")).json()
    assert "2" in json.dumps(state) and "[1, 2]" in json.dumps(state)
    await admin.post(f"/executions/{id}/cancel")


async def test_who_may_not_inspect_sees_names_only(served: Served) -> None:
    async with served.client("admin") as admin, served.client("viewer") as viewer:
        answer = await admin.post(
            "/executions", json={"program": PROGRAM, "inputs": {"name": "hidden"}, "wait": True}
        )
        shown = (await viewer.get(answer.headers["location"])).json()
        assert shown["inputs"] == {"name": None}
        problem(await viewer.get(answer.headers["location"] + "/state"), "forbidden")
        problem(await viewer.post("/executions", json={"program": PROGRAM}), "forbidden")


async def test_the_same_key_starts_one_run(admin: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"program": PROGRAM}
    answers = await asyncio.gather(*(admin.post("/executions", json=body, headers=key) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = await admin.post("/executions", json={"program": "return 1"}, headers=key)
    problem(other, "idempotency_key_reused")


async def test_a_key_has_its_answer_also_where_its_caller_may_less_since(served: Served) -> None:
    """What he may is no part of the body: an editor may not use secrets."""
    key = {"Idempotency-Key": str(uuid.uuid4())}
    async with served.client("admin") as before, served.client("editor") as since:
        answers = [
            await caller.post("/executions", json={"program": PROGRAM}, headers=key)
            for caller in (before, since)
        ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()


async def test_the_same_key_has_its_run_whatever_its_config_has_become(admin: httpx2.AsyncClient) -> None:
    config = (await admin.post("/configs", json={"name": named(), "content": PROGRAM})).json()["id"]
    key = {"Idempotency-Key": str(uuid.uuid4())}

    async def start(key: dict[str, str]) -> httpx2.Response:
        return await admin.post("/executions", json={"config": config}, headers=key)

    first = await start(key)
    assert (
        await admin.put(f"/configs/{config}", json={"name": named(), "content": "var"})
    ).status_code == 200
    assert (await start(key)).text == first.text
    assert (await admin.delete(f"/configs/{config}")).status_code == 204
    assert (await start(key)).text == first.text
    problem(await start({"Idempotency-Key": str(uuid.uuid4())}), "not_found")


def events(text: str) -> list[tuple[str, Any, str | None]]:
    """The events of a stream's text."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append((fields["event"], json.loads(fields["data"]), fields.get("id")))
    return found


async def test_a_log_is_followed_to_the_end(admin: httpx2.AsyncClient) -> None:
    id = await started(admin, 'log("one")\nsleep("1s")\nlog("two\\ndata: not an event")\n')
    answer = await admin.get(f"/executions/{id}/logs?follow=true&steps=true")
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events(answer.text)
    lines = [data for name, data, _ in told if name == "log"]
    assert [line["text"] for line in lines] == ["one\n", "two\ndata: not an event\n"]
    assert [int(id or 0) for name, _, id in told if name == "log"] == [line["offset"] for line in lines]
    assert told[-1][:2] == ("end", {"status": "complete"})


async def test_a_log_goes_on_behind_the_last_line_seen(admin: httpx2.AsyncClient) -> None:
    answer = await admin.post("/executions", json={"program": PROGRAM, "wait": True})
    place = answer.headers["location"] + "/logs"
    first = (await admin.get(f"{place}?limit=1")).json()
    assert [line["text"] for line in first["items"]] == ["one\n"]
    second = (await admin.get(f"{place}?cursor={first['next_cursor']}")).json()
    assert [line["text"] for line in second["items"]] == ["two\n"]
    followed = await admin.get(f"{place}?follow=true", headers={"Last-Event-ID": first["next_cursor"]})
    assert [data["text"] for name, data, _ in events(followed.text) if name == "log"] == ["two\n"]


async def test_executions_can_be_filtered(admin: httpx2.AsyncClient) -> None:
    await admin.post("/executions", json={"program": 'fail("x")', "wait": True})
    failed = (await admin.get("/executions?status=failed&limit=100")).json()["items"]
    assert failed and {one["status"] for one in failed} == {"failed"}
    problem(await admin.get("/executions?status=nonsense"), "invalid")
