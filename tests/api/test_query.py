"""Queries by REST: answers, carets, permissions, updates that are changes, filters of lists."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from codeai.persistence.reads import Reads
from tests.api.conftest import Served
from tests.api.test_edge import problem

LISTS = {
    "/configs": "name",
    "/deployments": "name",
    "/executions": "status",
    "/approvals": "text",
    "/events": "type",
    "/secrets": "name",
    "/roles": "name",
    "/audit": "action",
}


async def ask(client: httpx2.AsyncClient, query: str, **more: Any) -> dict[str, Any]:
    answer = await client.post("/query", json={"query": query, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def deployed(admin: httpx2.AsyncClient, count: int = 1) -> str:
    """A word that the names of so many new deployments begin with."""
    word = f"q{uuid.uuid4().hex[:12]}"
    for number in range(count):
        made = await admin.post("/deployments", json={"name": f"{word}-{number}", "inputs": {"n": number}})
        assert made.status_code == 201, made.text
    return word


async def test_rows_come_with_their_columns_and_types(admin: httpx2.AsyncClient) -> None:
    word = await deployed(admin, 2)
    found = await ask(
        admin,
        "SELECT name, revision, status, park_timeout, created_at FROM deployments "
        "WHERE name STARTSWITH @word ORDER BY name DESC LIMIT 1",
        params={"word": word},
    )
    assert found["columns"] == [
        {"name": "name", "type": "text"},
        {"name": "revision", "type": "integer"},
        {"name": "status", "type": "text"},
        {"name": "park_timeout", "type": "number"},
        {"name": "created_at", "type": "time"},
    ]
    ((name, revision, status, park, created),) = found["rows"]
    assert (name, revision, status, park) == (f"{word}-1", 1, "pending", None)
    assert created.endswith("Z") and found["next_cursor"] is None
    count = await ask(admin, f"COUNT FROM deployments WHERE name:~{word.upper()}")
    assert count == {"columns": [{"name": "count", "type": "integer"}], "rows": [[2]], "next_cursor": None}


async def test_a_cursor_goes_on_and_one_of_another_query_is_refused(
    admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codeai.persistence.query.MOST_ROWS", 2)
    word = await deployed(admin, 3)
    query = f"SELECT name FROM deployments WHERE name STARTSWITH {word} ORDER BY name"
    first = await ask(admin, query)
    second = await ask(admin, query, cursor=first["next_cursor"])
    assert [name for (name,) in first["rows"] + second["rows"]] == [f"{word}-{n}" for n in range(3)]
    other = {"query": query + " DESC", "cursor": first["next_cursor"]}
    problem(await admin.post("/query", json=other), "invalid")


async def test_what_is_wrong_is_told_with_its_place(admin: httpx2.AsyncClient) -> None:
    answer = await admin.post("/query", json={"query": "SELECT nam FROM deployments"})
    told = problem(answer, "invalid_query")
    (found,) = told["diagnostics"]
    assert (found["code"], found["line"], found["column"]) == ("unknown_column", 1, 8)
    assert found["hint"] == 'did you mean "name"?'
    for query in (
        "",
        "name:a",
        "SELECT * FROM nowhere",
        "SELECT * FROM secrets WHERE sealed = a",
        "\0",
        "x" * 4096,
    ):
        problem(await admin.post("/query", json={"query": query}), "invalid_query")
    problem(await admin.post("/query", json={"query": "x" * 4097}), "invalid")


async def test_a_query_needs_the_permission_of_its_entity_before_anything_is_told(served: Served) -> None:
    async with served.client("viewer") as viewer:
        await ask(viewer, "COUNT FROM executions")
        for query in (
            "SELECT nowhere FROM secrets",
            "SELECT * FROM audit_log",
            "UPDATE deployments SET nowhere = 1 WHERE id = 1",
            "SELECT inputs FROM executions",
            "COUNT FROM executions WHERE inputs CONTAINS a",
        ):
            problem(await viewer.post("/query", json={"query": query}), "forbidden")
        shown = await ask(viewer, "SELECT * FROM executions LIMIT 1")
        assert "inputs" not in {column["name"] for column in shown["columns"]}
        problem(await viewer.get("/executions", params={"filter": "inputs:~a"}), "forbidden")
        problem(await viewer.get("/secrets", params={"filter": "nonsense"}), "forbidden")
    async with served.client("editor") as editor:
        shown = await ask(editor, "SELECT * FROM executions LIMIT 1")
        assert "inputs" in {column["name"] for column in shown["columns"]}


async def test_an_update_is_a_change_with_its_audit_entry_and_events(admin: httpx2.AsyncClient) -> None:
    word = await deployed(admin, 2)
    query = {
        "query": "UPDATE deployments SET failure_policy = fail WHERE name STARTSWITH @word",
        "params": {"word": word},
    }
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = await admin.post("/query", json=query, headers=key)
    assert first.json() == {
        "columns": [{"name": "updated", "type": "integer"}],
        "rows": [[2]],
        "next_cursor": None,
    }
    again = await admin.post("/query", json=query, headers=key)
    assert again.json() == first.json()
    other = {"query": "UPDATE deployments SET failure_policy = park WHERE name = a"}
    problem(await admin.post("/query", json=other, headers=key), "idempotency_key_reused")
    items = (await admin.get("/deployments", params={"filter": f"name:~{word}"})).json()["items"]
    assert {(one["failure_policy"], one["status"]) for one in items} == {("fail", "pending")}
    assert len(items) == 2
    entry = (await admin.get("/audit", params={"filter": f"details:~{word} entity:'deployment/*'"})).json()
    (told,) = [one for one in entry["items"] if one["action"] == "update"]
    details = told["details"]
    assert [row["failure_policy"] for row in details["before"]] == ["undo", "undo"]
    assert details["after"] == {"failure_policy": "fail"} and details["query"] == query["query"]
    ids = sorted(one["id"] for one in items)
    events = (
        await admin.get("/events", params={"filter": "type:change.deployment.updated", "limit": 100})
    ).json()
    assert set(ids) <= {one["data"]["id"] for one in events["items"]}


async def test_an_update_needs_a_condition_and_columns_that_may_be_set(admin: httpx2.AsyncClient) -> None:
    for query, code in (
        ("UPDATE deployments SET failure_policy = fail", "no_where"),
        ("UPDATE deployments SET name = a WHERE name = b", "not_writable"),
        ("UPDATE executions SET status = complete WHERE status = failed", "not_writable"),
        ("UPDATE deployments SET failure_policy = perish WHERE name = b", "bad_value"),
    ):
        told = problem(await admin.post("/query", json={"query": query}), "invalid_query")
        assert [one["code"] for one in told["diagnostics"]] == [code], query


@pytest.mark.parametrize("path", LISTS)
async def test_every_list_takes_a_filter(admin: httpx2.AsyncClient, path: str) -> None:
    column = LISTS[path]
    nothing = await admin.get(path, params={"filter": f"{column}:'no such thing'"})
    assert nothing.status_code == 200 and nothing.json()["items"] == [], nothing.text
    told = problem(await admin.get(path, params={"filter": f"{column}:a AND"}), "invalid_query")
    assert told["diagnostics"][0]["column"] == len(column) + 7
    assert (await admin.get(path, params={"filter": ""})).status_code == 200


async def test_a_filter_pages_as_the_list_does(admin: httpx2.AsyncClient) -> None:
    word = await deployed(admin, 3)
    params = {"filter": f"name:~{word}", "limit": "2"}
    first = (await admin.get("/deployments", params=params)).json()
    second = (await admin.get("/deployments", params=params | {"cursor": first["next_cursor"]})).json()
    assert [one["name"] for one in first["items"] + second["items"]] == [f"{word}-{n}" for n in (2, 1, 0)]
    assert first["total"] == 3


async def test_steps_and_logs_take_a_filter(admin: httpx2.AsyncClient) -> None:
    body = {"program": 'log("one")\nlog("two")\n', "wait": True}
    run = (await admin.post("/executions", json=body)).json()
    place = f"/executions/{run.get('execution_id') or run['id']}"
    lines = (await admin.get(f"{place}/logs", params={"filter": "text CONTAINS two"})).json()
    assert [line["text"].strip() for line in lines["items"]] == ["two"], json.dumps(lines)
    steps = (await admin.get(f"{place}/steps", params={"filter": "kind:exec"})).json()
    assert steps["items"] == []
    refused = await admin.get(f"{place}/logs", params={"filter": "text:a", "follow": "true"})
    problem(refused, "invalid")


async def test_a_query_that_takes_too_long_is_ended(
    admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sleep(rows: Reads, *_: object) -> None:
        await rows.execute(select(func.pg_sleep(60)))

    monkeypatch.setattr("codeai.api.routers.query.TIME_LIMIT", 0.05)
    monkeypatch.setattr("codeai.api.routers.query.read", sleep)
    problem(await admin.post("/query", json={"query": "COUNT FROM configs"}), "too_slow")


async def test_reads_wait_for_postgres_and_updates_are_kept(without_postgres: httpx2.AsyncClient) -> None:
    problem(await without_postgres.post("/query", json={"query": "COUNT FROM configs"}), "no_database")
    kept = await without_postgres.post(
        "/query", json={"query": "UPDATE deployments SET failure_policy = fail WHERE name = 'no such'"}
    )
    assert kept.json()["rows"] == [[0]], kept.text
