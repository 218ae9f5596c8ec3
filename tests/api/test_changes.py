"""How configs and deployments are changed: what a 2xx means, keys, versions."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import httpx2

from tests.api.conftest import Served
from tests.api.test_edge import problem

PROGRAM = 'param name = "world"\nreturn "hello ${name}"\n'


def named() -> str:
    return f"a name {uuid.uuid4()}"


async def test_what_was_created_can_be_read_at_once(admin: httpx2.AsyncClient) -> None:
    name = named()
    body, key = {"name": name, "content": PROGRAM}, {"Idempotency-Key": str(uuid.uuid4())}
    async with asyncio.timeout(60):  # a busy machine may take longer than an answer waits
        while (made := await admin.post("/configs", json=body, headers=key)).status_code == 202:
            await asyncio.sleep(0.05)
    assert made.status_code == 201, made.text
    place = made.headers["location"]
    assert place == f"/configs/{made.json()['id']}"
    read = await admin.get(place)
    assert read.json() == made.json()
    assert read.json()["version"] == 1 and read.headers["etag"] == '"1"'
    assert (await admin.get(f"/configs/{name}")).json() == read.json()


async def test_every_save_is_a_version(admin: httpx2.AsyncClient) -> None:
    made = (await admin.post("/configs", json={"name": named(), "content": PROGRAM})).json()
    place = f"/configs/{made['id']}"
    changed = await admin.put(place, json={"name": made["name"], "content": "return 2\n"})
    assert changed.status_code == 200 and changed.json()["version"] == 2
    versions = (await admin.get(f"{place}/versions")).json()["items"]
    assert [one["version"] for one in versions] == [2, 1]
    first = (await admin.get(f"{place}/versions/1")).json()
    assert first["content"] == PROGRAM and first["ast"]["nodes"]
    problem(await admin.get(f"{place}/versions/3"), "not_found")


async def test_if_match_insists_on_a_version(admin: httpx2.AsyncClient) -> None:
    made = (await admin.post("/configs", json={"name": named(), "content": PROGRAM})).json()
    body = {"name": made["name"], "content": "return 2\n"}
    place = f"/configs/{made['id']}"
    assert (await admin.put(place, json=body, headers={"If-Match": '"1"'})).status_code == 200
    for other in ('"1"', '"7"', "nonsense", '""'):
        problem(await admin.put(place, json=body, headers={"If-Match": other}), "precondition_failed")
    assert (await admin.put(place, json=body, headers={"If-Match": "*"})).status_code == 200
    assert (await admin.delete(place, headers={"If-Match": '"3"'})).status_code == 204
    problem(await admin.get(place), "not_found")
    problem(await admin.delete(place), "not_found")


async def test_a_program_with_errors_is_a_draft(admin: httpx2.AsyncClient) -> None:
    made = await admin.post("/configs", json={"name": named(), "content": "return nowhere\n"})
    assert made.status_code == 201
    assert [one["code"] for one in made.json()["validation_errors"]] == ["unknown_name"]


async def test_a_name_is_taken_once(admin: httpx2.AsyncClient) -> None:
    body = {"name": named(), "content": PROGRAM}
    assert (await admin.post("/configs", json=body)).status_code == 201
    problem(await admin.post("/configs", json=body), "conflict")


async def test_the_same_key_gives_the_same_answer(admin: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"name": named(), "content": PROGRAM}
    answers = await asyncio.gather(*(admin.post("/configs", json=body, headers=key) for _ in range(8)))
    again = await admin.post("/configs", json=body, headers=key)
    assert {answer.status_code for answer in [*answers, again]} == {201}
    assert len({answer.json()["id"] for answer in [*answers, again]}) == 1


async def test_fifty_at_once_with_one_key_make_one_thing(admin: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"name": named(), "content": PROGRAM}
    config = (await admin.post("/configs", json=body)).json()
    made = {"name": named(), "config_id": config["id"]}
    for path, asked, statuses in (
        ("/deployments", made, {201}),
        ("/executions", {"config": config["id"], "inputs": {"name": "all"}}, {202}),
    ):
        answers = await asyncio.gather(*(admin.post(path, json=asked, headers=key) for _ in range(50)))
        assert {answer.status_code for answer in answers} == statuses, path
        assert len({answer.text for answer in answers}) == 1, path
        assert len({answer.headers["location"] for answer in answers}) == 1, path
        other = await admin.post(path, json=asked | {"inputs": {"name": "other"}}, headers=key)
        problem(other, "idempotency_key_reused")
    listed = (await admin.get("/executions?limit=100")).json()["items"]
    assert len([one for one in listed if one["config_id"] == config["id"]]) <= 1
    named_so = [
        one
        for one in (await admin.get("/deployments?limit=100")).json()["items"]
        if one["name"] == made["name"]
    ]
    assert len(named_so) == 1


async def test_a_key_is_used_with_one_body(admin: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"name": named(), "content": PROGRAM}
    assert (await admin.post("/configs", json=body, headers=key)).status_code == 201
    other = await admin.post("/configs", json=body | {"name": named()}, headers=key)
    problem(other, "idempotency_key_reused")


async def test_a_key_means_the_thing_that_had_the_name_when_it_came_first(admin: httpx2.AsyncClient) -> None:
    name, other = named(), named()

    async def put(key: dict[str, str]) -> tuple[int, Any]:
        answer = await admin.put(f"/configs/{name}", json={"name": other, "content": PROGRAM}, headers=key)
        return answer.status_code, answer.json().get("id")

    async def delete(key: dict[str, str]) -> int:
        return (await admin.delete(f"/configs/{other}", headers=key)).status_code

    keys = [{"Idempotency-Key": str(uuid.uuid4())} for _ in range(2)]
    id = (await admin.post("/configs", json={"name": name, "content": PROGRAM})).json()["id"]
    assert [await put(keys[0]) for _ in range(2)] == [(200, id)] * 2
    assert [await delete(keys[1]) for _ in range(2)] == [204] * 2
    made = (await admin.post("/configs", json={"name": other, "content": PROGRAM})).json()["id"]
    assert await delete(keys[1]) == 204
    assert (await admin.get(f"/configs/{other}")).json()["id"] == made
    problem(await admin.delete(f"/configs/{name}", headers=keys[1]), "not_found")


async def test_a_key_belongs_to_its_caller(served: Served) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    async with served.client("admin", subject="ada") as ada, served.client("admin", subject="bob") as bob:
        one = await ada.post("/configs", json={"name": named(), "content": PROGRAM}, headers=key)
        two = await bob.post("/configs", json={"name": named(), "content": PROGRAM}, headers=key)
    assert one.status_code == two.status_code == 201
    assert one.json()["id"] != two.json()["id"]


async def test_a_deployment_names_its_config(admin: httpx2.AsyncClient) -> None:
    config = (await admin.post("/configs", json={"name": named(), "content": PROGRAM})).json()
    made = await admin.post(
        "/deployments", json={"name": named(), "config_id": config["id"], "inputs": {"name": "you"}}
    )
    assert made.status_code == 201, made.text
    shown = (await admin.get(made.headers["location"])).json()
    assert shown["inputs"] == {"name": "you"} and shown["status"] == "pending"
    problem(await admin.delete(f"/configs/{config['id']}"), "conflict")
    unknown = await admin.post("/deployments", json={"name": named(), "config_id": str(uuid.uuid4())})
    assert unknown.status_code == 422


async def test_lists_are_newest_first_and_stable_under_inserts(admin: httpx2.AsyncClient) -> None:
    made = [
        (await admin.post("/configs", json={"name": named(), "content": PROGRAM})).json()["id"]
        for _ in range(4)
    ]
    first = (await admin.get("/configs?limit=2")).json()
    assert [one["id"] for one in first["items"]] == made[:1:-1]
    await admin.post("/configs", json={"name": named(), "content": PROGRAM})
    second = (await admin.get(f"/configs?limit=2&cursor={first['next_cursor']}")).json()
    assert [one["id"] for one in second["items"]] == made[1::-1]


async def test_validate_saves_nothing(admin: httpx2.AsyncClient) -> None:
    found = (await admin.post("/configs/validate", json={"content": "param a\nreturn b\n"})).json()
    assert not found["valid"]
    assert ("unknown_name", 2) in [(one["code"], one["line"]) for one in found["diagnostics"]]
    good = (await admin.post("/configs/validate", json={"content": PROGRAM})).json()
    assert good["valid"] and [one["name"] for one in good["params"]] == ["name"]


async def test_an_operation_is_told_to_nobody_else(served: Served) -> None:
    async with served.client("admin", subject="ada") as ada, served.client("admin", subject="bob") as bob:
        problem(await bob.get(f"/operations/{uuid.uuid4()}"), "not_found")
        made = await ada.post("/configs", json={"name": named(), "content": PROGRAM})
        changes = served.temporal.list_workflows("WorkflowType = 'ChangeRecord'", limit=1)
        newest = (await anext(changes)).id.removeprefix("change/")
        shown = (await ada.get(f"/operations/{newest}")).json()
        assert shown["status"] == "completed" and shown["resource"] == made.headers["location"]
        problem(await bob.get(f"/operations/{newest}"), "not_found")
