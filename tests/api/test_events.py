"""Events by the API: published once, told to runs that wait, read and followed."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import httpx2
import pytest
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.worker import Worker

from codeai.activities import telling
from codeai.activities.effects import events as effects
from codeai.persistence.engine import Database
from codeai.persistence.event_waits import EventWait
from codeai.workflows.contracts.events import EventRecord
from codeai.workflows.contracts.kinds import PUBLISH_EVENT
from tests.api.conftest import Served
from tests.api.test_changes import named
from tests.api.test_edge import problem
from tests.api.test_executions import running, started


def a_type() -> str:
    return f"custom.t{uuid.uuid4().hex}"


async def published(client: httpx2.AsyncClient, type: str, **data: Any) -> dict[str, Any]:
    answer = await client.post("/events", json={"type": type, "data": data})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/events/{answer.json()['id']}"
    return await there(client, answer.headers["location"])


async def there(client: httpx2.AsyncClient, place: str) -> dict[str, Any]:
    """The event when it is stored; until then its place answers all the same."""
    for _ in range(200):
        answer = await client.get(place)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        if "type" in shown:
            return shown
        assert shown["status"] == "queued"
        await asyncio.sleep(0.05)
    raise AssertionError(shown)


async def test_an_event_is_published_shown_and_listed(admin: httpx2.AsyncClient) -> None:
    type = a_type()
    event = await published(admin, type, order=7, paid={"sum": 2.0})
    assert (event["type"], event["source"]) == (type, "api")
    assert event["data"] == {"order": 7, "paid": {"sum": 2.0}}
    assert event["metadata"] == {"correlation_id": event["id"], "causation_id": None, "depth": 0}
    later = await published(admin, type)
    listed = (await admin.get("/events", params={"type": type})).json()
    assert listed["items"] == [later, event] and listed["total"] == 2
    first = (await admin.get("/events", params={"type": type, "limit": 1})).json()
    second = (await admin.get("/events", params={"type": type, "cursor": first["next_cursor"]})).json()
    assert [*first["items"], *second["items"]] == [later, event]


async def test_the_same_key_publishes_one_event(admin: httpx2.AsyncClient) -> None:
    type, key = a_type(), {"Idempotency-Key": str(uuid.uuid4())}
    body = {"type": type, "data": {"n": 1}}
    answers = await asyncio.gather(*(admin.post("/events", json=body, headers=key) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    await there(admin, answers[0].headers["location"])
    assert (await admin.get("/events", params={"type": type})).json()["total"] == 1
    problem(await admin.post("/events", json={"type": type}, headers=key), "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"type": "job.completed"}, "body.type"),
        ({"type": "change.config.created"}, "body.type"),
        ({"type": "execution.mine"}, "body.type"),
        ({"type": "test.suite.completed"}, "body.type"),
        ({"type": "pack"}, "body.type"),
        ({"type": "custom..pack"}, "body.type"),
        ({"type": "custom." + "x" * 128}, "body.type"),
        ({}, "body.type"),
        ({"type": "custom.pack", "data": []}, "body.data"),
        ({"type": "custom.pack", "data": {"a": "\0"}}, "body.data"),
        ({"type": "custom.pack", "data": {"a": "x" * 262_144}}, "body.data"),
        ({"type": "custom.pack", "source": "ChangeRecord"}, "body.source"),
    ],
)
async def test_what_is_no_event_is_refused(
    admin: httpx2.AsyncClient, body: dict[str, Any], field: str
) -> None:
    document: dict[str, Any] = problem(await admin.post("/events", json=body), "invalid")
    assert [error["field"] for error in document["errors"]] == [field]


async def test_types_near_the_platforms_own_are_anybodys(admin: httpx2.AsyncClient) -> None:
    for type in ("jobs.completed", "test.mine", "my.job.completed"):
        assert (await published(admin, type))["type"] == type


@pytest.mark.parametrize("given", [{"type": "job.completed", "source": "RunJob"}, {"type": "no type"}])
async def test_temporal_alone_publishes_nothing_that_the_api_would_not(
    served: Served, admin: httpx2.AsyncClient, given: dict[str, Any]
) -> None:
    id = str(uuid.uuid4())
    publishing = await served.temporal.start_workflow(
        PUBLISH_EVENT.type, given, id=PUBLISH_EVENT.workflow_id(id), task_queue=PUBLISH_EVENT.queue
    )
    with pytest.raises(WorkflowFailureError) as failure:
        await publishing.result()
    assert getattr(failure.value.cause, "type", None) == "invalid_input"
    document: dict[str, Any] = problem(await admin.get(f"/events/{id}"), "invalid")
    assert [error["field"] for error in document["errors"]] == ["type"]


async def test_temporal_alone_publishes_an_event(served: Served, admin: httpx2.AsyncClient) -> None:
    id = await by_hand(served, "custom.byhand", {"n": 1})
    shown = (await admin.get(f"/events/{id}")).json()
    assert (shown["type"], shown["source"], shown["data"]) == ("custom.byhand", "temporal", {"n": 1})


@workflow.defn(name="RunJob", sandboxed=False)
class Announcer:
    """A workflow that publishes as a child of its own."""

    @workflow.run
    async def run(self, given: dict[str, Any]) -> dict[str, Any]:
        published: dict[str, Any] = await workflow.execute_child_workflow(
            PUBLISH_EVENT.type, given, task_queue=PUBLISH_EVENT.queue, result_type=dict
        )
        return published


@pytest.mark.parametrize(("source", "is_stored"), [("RunJob", True), ("Saga", False), (None, False)])
async def test_a_type_of_the_platform_is_published_by_the_workflow_that_owns_it(
    served: Served, admin: httpx2.AsyncClient, source: str | None, is_stored: bool
) -> None:
    given = {"type": "job.completed", "data": {"job": 1}, "source": source, "causation_id": "x", "depth": 2}
    async with Worker(served.temporal, task_queue="announcers", workflows=[Announcer]):
        announcing = served.temporal.execute_workflow(
            "RunJob", given, id=str(uuid.uuid4()), task_queue="announcers", result_type=dict
        )
        if not is_stored:
            with pytest.raises(WorkflowFailureError):
                await announcing
            return
        shown = (await admin.get(f"/events/{(await announcing)['id']}")).json()
    assert (shown["type"], shown["source"]) == ("job.completed", "RunJob")
    assert shown["metadata"] == {"correlation_id": shown["id"], "causation_id": "x", "depth": 2}


async def by_hand(served: Served, type: str, data: dict[str, Any]) -> str:
    """Publishes by Temporal alone; who waits is told when it returns."""
    result: dict[str, Any] = await served.temporal.execute_workflow(
        PUBLISH_EVENT.type,
        {"type": type, "data": data},
        id=f"by hand {uuid.uuid4()}",
        task_queue=PUBLISH_EVENT.queue,
        result_type=dict,
    )
    return str(result["id"])


async def test_an_unknown_event_is_not_found(admin: httpx2.AsyncClient) -> None:
    problem(await admin.get(f"/events/{uuid.uuid4()}"), "not_found")
    problem(await admin.get("/events/nothing"), "invalid")


async def test_a_run_waits_for_an_event(admin: httpx2.AsyncClient) -> None:
    type = a_type()
    program = f'return wait_event("{type}", where: {{order: {{id: 7}}}}).data'
    id = await started(admin, program)
    await running(admin, id, "waiting")
    await published(admin, type, order={"id": 8})
    await published(admin, type, order={"id": 7, "by": "ann"})
    shown = await running(admin, id, "complete")
    assert shown["result"] == {"order": {"id": 7, "by": "ann"}}


async def test_a_run_waits_for_a_change(admin: httpx2.AsyncClient) -> None:
    name = named()
    id = await started(admin, 'return wait_event("change.config.created").data')
    await running(admin, id, "waiting")
    made = (await admin.post("/configs", json={"name": name, "content": "return 1"})).json()
    shown = await running(admin, id, "complete")
    assert shown["result"] == {"kind": "config", "id": made["id"], "action": "create"}


async def read_events(lines: Any, count: int) -> list[tuple[str, dict[str, Any]]]:
    """The next events of a stream: id and data."""
    found: list[tuple[str, dict[str, Any]]] = []
    id = ""
    async for line in lines:
        if line.startswith("id: "):
            id = line.removeprefix("id: ")
        elif line.startswith("data: "):
            found.append((id, json.loads(line.removeprefix("data: "))))
            if len(found) == count:
                break
    return found


async def test_events_are_followed_as_they_are_stored(admin: httpx2.AsyncClient) -> None:
    type = a_type()
    before = await published(admin, type, n=0)
    async with admin.stream("GET", "/events/stream", params={"type": type}) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith("retry: ")
        expected = asyncio.create_task(read_events(lines, 2))
        while not expected.done():
            await published(admin, type, n=1)
        told = await expected
    assert before["id"] not in [id for id, _ in told]
    assert all((id, shown["data"]) == (shown["id"], {"n": 1}) for id, shown in told)

    last = {"Last-Event-ID": before["id"]}
    async with admin.stream("GET", "/events/stream", params={"type": type}, headers=last) as stream:
        again = await read_events(stream.aiter_lines(), 1)
    listed = (await admin.get("/events", params={"type": type, "limit": 100})).json()["items"]
    assert again == [(listed[-2]["id"], listed[-2])], "what came after the last one seen"


async def test_who_may_read_may_not_publish(served: Served) -> None:
    async with served.client("viewer") as viewer:
        problem(await viewer.post("/events", json={"type": "custom.pack"}), "forbidden")
        assert (await viewer.get("/events")).status_code == 200


async def test_an_event_that_comes_while_a_run_is_told_that_there_is_none_is_not_missed(
    served: Served, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The activity has looked in vain; before its answer arrives the event is stored and told."""
    type, look = a_type(), telling.first_match

    async def held_up(database: Database, wait: EventWait) -> EventRecord | None:
        found = await look(database, wait)
        if wait.type == type:
            await by_hand(served, type, {"n": 1})
        return found

    monkeypatch.setattr(effects, "first_match", held_up)
    body = {"program": f'return wait_event("{type}", timeout: "20s").data', "wait": True}
    answer = (await admin.post("/executions", json=body)).json()
    assert (answer["status"], answer["result"]) == ("complete", {"n": 1}), answer
