"""Lists page by page, while things are added."""

from __future__ import annotations

import uuid

import httpx2

from tests.api.test_edge import problem


async def deployment(client: httpx2.AsyncClient, name: str) -> str:
    made = await client.post("/deployments", json={"name": name})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def test_pages_are_stable_while_things_are_added(admin: httpx2.AsyncClient) -> None:
    """By cursor every thing that was there at the start is shown once, and nothing that came later."""
    tag = f"paged-{uuid.uuid4().hex}"
    made = [await deployment(admin, f"{tag}-{at}") for at in range(5)]
    wanted = {"filter": f"name STARTSWITH '{tag}'", "limit": "2"}
    first = (await admin.get("/deployments", params=wanted)).json()
    assert first["total"] == 5
    seen, cursor = [one["id"] for one in first["items"]], first["next_cursor"]
    for number in range(2):
        await deployment(admin, f"{tag}-later-{number}")
        page = (await admin.get("/deployments", params={**wanted, "cursor": cursor})).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert seen == made[::-1]
    assert cursor is None
    skipped = (await admin.get("/deployments", params={**wanted, "offset": "5"})).json()
    assert [one["id"] for one in skipped["items"]] == made[1::-1]
    assert skipped["total"] == 7


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
        await deployment(admin, f"{tag}-{number}")
    cursor = (await admin.get("/deployments", params={"limit": "1"})).json()["next_cursor"]
    assert (await admin.get("/deployments", params={"cursor": cursor})).status_code == 200
    for path in ("/configs", "/roles", "/executions", "/events"):
        problem(await admin.get(path, params={"cursor": cursor}), "invalid")
