"""Lists page by page, while things are added and removed: every list that there is."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from codeai.api.app import ROUTERS
from tests.api.conftest import Served
from tests.api.test_edge import problem
from tests.api.test_events import a_type, published

FEW = 5
"""Things that are there before the first page is read, of two things each."""


@dataclass(frozen=True)
class Kind:
    """A list: how one of its things is added, and by what the test's own are told. `grows_at_end` where the newest is
    the last."""

    path: str
    add: Callable[[], Awaitable[Any]]
    asked: dict[str, str]
    key: str = "id"
    grows_at_end: bool = False


async def made(answer: httpx2.Response) -> Any:
    assert answer.status_code in (200, 201, 202), answer.text
    return answer.json()


async def waiting(client: httpx2.AsyncClient, tag: str) -> str:
    """The path of a run that writes a line and asks for an approval, again and again."""
    program = f'for n in range(1, 100) {{\n    log(n)\n    approve("{tag}")\n}}\n'
    id = (await made(await client.post("/executions", json={"program": program})))["id"]
    await asked(client, id)
    return f"/executions/{id}"


async def asked(client: httpx2.AsyncClient, id: str, after: int = 0) -> int:
    """The step of the run's open approval, when there is one behind `after`."""
    while True:
        found = await client.get("/approvals", params={"filter": f"execution_id = '{id}' AND step > {after}"})
        if items := (await made(found))["items"]:
            return int(items[0]["step"])


def kinds(client: httpx2.AsyncClient, tag: str) -> dict[str, Callable[[], Awaitable[Kind]]]:
    """Every list by the path of its route."""
    named = {"filter": f"name STARTSWITH '{tag}'"}
    new = (f"{tag}-{number}" for number in range(100))

    async def post(path: str, **body: Any) -> Any:
        return await made(await client.post(path, json=body))

    async def put(path: str, **body: Any) -> Any:
        return await made(await client.put(path, json=body))

    async def configs() -> Kind:
        return Kind("/configs", lambda: post("/configs", name=next(new), content=""), named)

    async def versions() -> Kind:
        config = await post("/configs", name=tag, content="")

        async def save() -> Any:
            return await put(f"/configs/{config['id']}", name=tag, content=f"log({next(new)!r})\n")

        return Kind(f"/configs/{tag}/versions", save, {}, "version")

    async def deployments() -> Kind:
        return Kind("/deployments", lambda: post("/deployments", name=next(new)), named)

    async def executions() -> Kind:
        config = await post("/configs", name=tag, content="return 1\n")

        async def run() -> Any:
            return await post("/executions", config=config["id"], wait=True)

        return Kind("/executions", run, {"config_id": config["id"]})

    async def of_a_run(what: str, key: str) -> Kind:
        place = await waiting(client, tag)
        id = place.rpartition("/")[2]

        async def go_on() -> None:
            step = await asked(client, id)
            await made(await client.post(f"{place}/approve"))
            await asked(client, id, step)

        return Kind(f"{place}/{what}", go_on, {}, key, grows_at_end=True)

    async def approvals() -> Kind:
        return Kind("/approvals", lambda: waiting(client, tag), {"filter": f"text = '{tag}'"}, "execution_id")

    async def events() -> Kind:
        type = a_type()
        return Kind("/events", lambda: published(client, type), {"type": type})

    async def secrets() -> Kind:
        named = {"filter": f"name STARTSWITH '{tag.upper().replace('-', '_')}'"}
        return Kind(
            "/secrets",
            lambda: put(f"/secrets/{next(new).upper().replace('-', '_')}", value="a secret of tests"),
            named,
            "name",
        )

    async def roles() -> Kind:
        return Kind("/roles", lambda: put(f"/roles/{next(new)}"), named, "name")

    async def audit() -> Kind:
        return Kind("/audit", lambda: post("/deployments", name=next(new)), {"actor": tag}, "seq")

    return {
        "/configs": configs,
        "/configs/{id}/versions": versions,
        "/deployments": deployments,
        "/executions": executions,
        "/executions/{id}/steps": lambda: of_a_run("steps", "seq"),
        "/executions/{id}/logs": lambda: of_a_run("logs", "offset"),
        "/approvals": approvals,
        "/events": events,
        "/secrets": secrets,
        "/roles": roles,
        "/audit": audit,
    }


def takes_cursor(signature: Dependant) -> bool:
    return any(one.name == "cursor" for one in signature.query_params) or any(
        map(takes_cursor, signature.dependencies)
    )


LISTS = sorted(
    route.path
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and takes_cursor(route.dependant)
)


@pytest.fixture
async def kind(
    served: Served, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[httpx2.AsyncClient, Kind]]:
    """A list with a few things of this test's own, by a client of its own."""
    tag = f"paged-{uuid.uuid4().hex[:12]}"
    async with served.client("admin", subject=tag) as client:
        kind = await kinds(client, tag)[request.param]()
        while len((await page(client, kind, limit="100"))["items"]) < FEW:
            await kind.add()
        yield client, kind
        for run in (
            await made(await client.get("/executions", params={"filter": f"triggered_by = '{tag}'"}))
        )["items"]:
            await client.post(f"/executions/{run['id']}/cancel")


async def page(client: httpx2.AsyncClient, kind: Kind, **more: str) -> Any:
    return await made(await client.get(kind.path, params={**kind.asked, **more}))


async def all_keys(client: httpx2.AsyncClient, kind: Kind) -> list[Any]:
    return [one[kind.key] for one in (await page(client, kind, limit="100"))["items"]]


@pytest.mark.parametrize("kind", LISTS, indirect=True)
async def test_by_cursor_nothing_is_skipped_or_shown_twice(kind: tuple[httpx2.AsyncClient, Kind]) -> None:
    client, of = kind
    there = await all_keys(client, of)
    seen: list[Any] = []
    more: dict[str, str] = {}
    while True:
        shown = await page(client, of, limit="2", **more)
        seen += [one[of.key] for one in shown["items"]]
        if shown["next_cursor"] is None or len(seen) >= 2 * FEW:
            break
        more = {"cursor": shown["next_cursor"]}
        await of.add()
    assert seen[: len(there)] == there, "what was there at the start, in its order"
    now = await all_keys(client, of)
    assert len(now) > len(there)
    later = now[len(there) : 2 * FEW] if of.grows_at_end else []
    assert seen == there + later, "what came later, only where it comes behind"


@pytest.mark.parametrize("kind", [path for path in LISTS if not path.endswith("/logs")], indirect=True)
async def test_by_offset_what_is_added_is_shown_again_and_nothing_is_skipped(
    kind: tuple[httpx2.AsyncClient, Kind],
) -> None:
    client, of = kind
    there = await all_keys(client, of)
    first = await page(client, of, limit="2", offset="0")
    await of.add()
    second = await page(client, of, limit="2", offset="2")
    seen = [one[of.key] for one in first["items"] + second["items"]]
    if of.grows_at_end:
        assert seen == there[:4]
    else:
        added = len(await all_keys(client, of)) - len(there)
        assert added >= 1
        assert seen == there[:2] + (["new"] * added + there)[2:4]


async def test_what_is_removed_meanwhile_takes_nothing_else_along(admin: httpx2.AsyncClient) -> None:
    """Also where it is the very thing that a page ended with."""
    tag = f"paged-{uuid.uuid4().hex}"
    for number in range(FEW):
        await made(await admin.post("/deployments", json={"name": f"{tag}-{number}"}))
    of = {"filter": f"name STARTSWITH '{tag}'", "limit": "2"}
    first = await made(await admin.get("/deployments", params=of))
    for gone in first["items"]:
        assert (await admin.delete(f"/deployments/{gone['id']}")).status_code == 204
    second = await made(await admin.get("/deployments", params=of | {"cursor": first["next_cursor"]}))
    assert [one["name"] for one in second["items"]] == [f"{tag}-2", f"{tag}-1"]


async def test_a_query_pages_as_lists_do(admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codeai.persistence.query.MOST_ROWS", 2)
    tag = f"paged-{uuid.uuid4().hex}"
    for number in range(3):
        await made(await admin.post("/deployments", json={"name": f"{tag}-{number}"}))
    query = {"query": f"SELECT name FROM deployments WHERE name STARTSWITH '{tag}'"}
    first = await made(await admin.post("/query", json=query))
    await made(await admin.post("/deployments", json={"name": f"{tag}-later"}))
    second = await made(await admin.post("/query", json=query | {"cursor": first["next_cursor"]}))
    assert first["rows"] + second["rows"] == [[f"{tag}-2"], [f"{tag}-1"], [f"{tag}-0"]]


async def test_a_total_is_of_the_whole_list(admin: httpx2.AsyncClient) -> None:
    for path in ("/roles", "/configs", "/events"):
        page = (await admin.get(path, params={"limit": "1"})).json()
        everything = (await admin.get(path, params={"limit": "100", "offset": "0"})).json()
        assert page["total"] == everything["total"] >= len(everything["items"])
        if everything["next_cursor"] is None:
            assert page["total"] == len(everything["items"])


async def test_a_cursor_is_of_its_list(admin: httpx2.AsyncClient) -> None:
    tag = f"paged-{uuid.uuid4().hex}"
    for number in range(2):
        await made(await admin.post("/deployments", json={"name": f"{tag}-{number}"}))
    cursor = (await admin.get("/deployments", params={"limit": "1"})).json()["next_cursor"]
    assert (await admin.get("/deployments", params={"cursor": cursor})).status_code == 200
    for path in ("/configs", "/roles", "/executions", "/events"):
        problem(await admin.get(path, params={"cursor": cursor}), "invalid")
