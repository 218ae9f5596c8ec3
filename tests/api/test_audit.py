"""The audit log by the API: who did what, by request and workflow, found again and exported whole."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx2

from codeai.persistence.chain import Chain
from tests.api.conftest import Served
from tests.api.test_changes import named
from tests.api.test_edge import problem


async def entries(client: httpx2.AsyncClient, **sought: str) -> list[dict[str, Any]]:
    answer = await client.get("/audit", params=sought)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def test_a_change_is_told_with_who_what_and_how(served: Served) -> None:
    request_id = f"request-{uuid.uuid4()}"
    who = f"ann-{uuid.uuid4()}"
    async with served.client("admin", subject=who) as ann:
        body = {"name": named(), "inputs": {"token": "hunter2hunter2"}}
        made = await ann.post("/deployments", json=body, headers={"X-Request-Id": request_id})
        id = made.json()["id"]
        await ann.put(f"/deployments/{id}", json=body | {"inputs": {"a": 1}})
        (created,) = await entries(ann, request_id=request_id)
        assert (created["actor"], created["action"], created["entity"], created["via"]) == (
            *(who, "create", f"deployment/{id}"),
            "api",
        )
        assert created["workflow_id"].startswith("change/")
        assert created["details"]["before"] is None
        assert created["details"]["after"]["inputs"] == {"token": "***"}
        updated, _ = await entries(ann, actor=who)
        assert updated["details"]["before"]["revision"] == 1
        assert updated["details"]["after"]["inputs"] == {"a": 1}
        assert [one["seq"] for one in await entries(ann, entity=f"deployment/{id}", action="update")] == [
            updated["seq"]
        ]
        assert updated in await entries(ann, entity="deployment", since=updated["at"])
        assert await entries(ann, actor=who, until=created["at"]) == []
        assert await entries(ann, workflow_id=created["workflow_id"]) == [created]
        page = await ann.get("/audit", params={"actor": who, "limit": "1"})
        rest = await ann.get("/audit", params={"actor": who, "cursor": page.json()["next_cursor"]})
        assert [one["seq"] for one in rest.json()["items"]] == [created["seq"]]
        problem(await ann.get("/audit", params={"since": "yesterday"}), "invalid")


def lines_of(exported: httpx2.Response) -> list[str]:
    """Lines of JSON end by LF alone."""
    return exported.text.removesuffix("\n").split("\n")


async def test_an_export_is_the_whole_chain(served: Served, admin: httpx2.AsyncClient) -> None:
    await admin.post("/deployments", json={"name": named()})
    exported = await admin.get("/audit", headers={"Accept": "application/jsonl"})
    assert exported.headers["content-type"].startswith("application/jsonl")
    lines = [json.loads(line) for line in lines_of(exported)]
    chain = Chain()
    assert all(chain.takes(line) for line in lines) and chain.entries == len(lines) > 0
    forged = [line | ({"actor": "nobody"} if line["seq"] == 1 else {}) for line in lines]
    assert not Chain().takes(forged[0])
    short = await admin.get(
        "/audit", params={"entity": "deployment"}, headers={"Accept": "application/jsonl"}
    )
    assert {json.loads(line)["entity"].partition("/")[0] for line in lines_of(short)} == {"deployment"}


async def test_a_list_and_an_export_take_parameters_and_a_filter_together(
    served: Served, admin: httpx2.AsyncClient
) -> None:
    who = f"bob_{uuid.uuid4()}"
    async with served.client("admin", subject=who) as bob:
        for name in (named(), named()):
            made = (await bob.post("/deployments", json={"name": name})).json()
        await bob.delete(f"/deployments/{made['id']}")
    asked = {"actor": who, "entity": "deployment", "filter": "action:create or action:delete"}
    listed = await entries(admin, **asked)
    assert [one["action"] for one in listed] == ["delete", "create", "create"]
    as_lines = {"Accept": "application/jsonl"}
    exported = await admin.get("/audit", params=asked, headers=as_lines)
    assert [json.loads(line)["seq"] for line in lines_of(exported)] == [one["seq"] for one in listed[::-1]]
    assert await entries(admin, filter=f"actor:'{who}' entity:deployment/{made['id']}") == listed[:2]
    assert await entries(admin, **asked | {"filter": "via:temporal"}) == []
    assert await entries(admin, actor=who, entity="deploymen_") == []
    for headers in ({}, as_lines):
        wrong = await admin.get("/audit", params={"actor": who, "filter": "actr:x"}, headers=headers)
        assert "actor" in str(problem(wrong, "invalid_query")["detail"])
