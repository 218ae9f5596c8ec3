"""Roles in the database: changed by those who may, in force within a moment, kept while Postgres is away."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from codeai.api.auth.rolebook import FRESH, LONGEST, RoleBook
from codeai.api.problems import Refused
from codeai.persistence.access import Roles
from codeai.persistence.engine import Address, Database
from codeai.persistence.reads import Reads
from codeai.stack.postgres import free_port
from codeai.workflows.contracts.permissions import Role, allows, beyond, cycle_of
from tests.api.conftest import Served, serving, token
from tests.api.test_edge import problem


def named() -> str:
    return f"role-{uuid.uuid4()}"


async def may(client: httpx2.AsyncClient, path: str, role: str) -> bool:
    answer = await client.get(path, headers={"Authorization": f"Bearer {token(role)}"})
    assert answer.status_code in (200, 403)
    return answer.status_code == 200


async def test_a_role_permits_what_it_says_from_its_answer_on(
    served: Served, admin: httpx2.AsyncClient
) -> None:
    name, heir = named(), named()
    assert not await may(admin, "/configs", name)
    made = await admin.put(f"/roles/{name}", json={"permissions": ["configs:read"]})
    assert made.status_code == 200, made.text
    assert await may(admin, "/configs", name)
    await admin.put(f"/roles/{heir}", json={"inherits": [name], "permissions": ["*:inspect"]})
    assert await may(admin, "/configs", heir)
    shown = await admin.get(f"/roles/{heir}")
    assert shown.json() | {"created_at": "", "updated_at": ""} == {
        "name": heir,
        "permissions": ["*:inspect"],
        "inherits": [name],
        "version": 1,
        "created_at": "",
        "updated_at": "",
    }
    listed = (await admin.get("/roles?limit=2")).json()["items"]
    assert [one["name"] for one in listed] == [heir, name]
    etag = made.headers.get("etag") or (await admin.get(f"/roles/{name}")).headers["etag"]
    nobody = f"/roles/{name}-not-there"
    problem(await admin.put(nobody, json={}, headers={"If-Match": "*"}), "precondition_failed")
    problem(await admin.get(nobody), "not_found")
    changed = await admin.put(f"/roles/{name}", json={}, headers={"If-Match": etag})
    assert changed.json()["version"] == 2
    assert not await may(admin, "/configs", heir)
    problem(await admin.put(f"/roles/{name}", json={}, headers={"If-Match": etag}), "precondition_failed")
    problem(await admin.delete(f"/roles/{name}"), "conflict")
    assert (await admin.delete(f"/roles/{heir}")).status_code == 204
    assert (await admin.delete(f"/roles/{name}")).status_code == 204
    problem(await admin.get(f"/roles/{name}"), "not_found")


async def test_nobody_grants_what_he_does_not_hold(served: Served, admin: httpx2.AsyncClient) -> None:
    keeper, name = named(), named()
    await admin.put(f"/roles/{keeper}", json={"permissions": ["roles:*", "configs:*"]})
    async with served.client(keeper) as client:
        for body in ({"permissions": ["*:*"]}, {"inherits": ["admin"]}, {"permissions": ["secrets:use"]}):
            problem(await client.put(f"/roles/{name}", json=body), "forbidden")
        problem(await client.put(f"/roles/{keeper}", json={"permissions": ["*:write"]}), "forbidden")
        made = await client.put(f"/roles/{name}", json={"permissions": ["configs:write"]})
        assert made.status_code == 200
        problem(await client.delete("/roles/admin"), "conflict")
    problem(await admin.put("/roles/admin", json={"permissions": []}), "conflict")
    circle = problem(await admin.put(f"/roles/{name}", json={"inherits": [name]}), "invalid")
    assert f"{name} -> {name}" in circle["detail"]
    problem(await admin.put(f"/roles/{name}", json={"permissions": ["all"]}), "invalid")


@contextlib.asynccontextmanager
async def another_api(served: Served) -> AsyncIterator[httpx2.AsyncClient]:
    settings = replace(served.settings, server=replace(served.settings.server, port=free_port()))
    url = f"http://127.0.0.1:{settings.server.port}"
    async with serving(settings), httpx2.AsyncClient(base_url=url) as client:
        yield client


async def test_another_process_hears_of_a_change(served: Served, admin: httpx2.AsyncClient) -> None:
    name = named()
    async with another_api(served) as other:
        assert not await may(other, "/configs", name)
        await admin.put(f"/roles/{name}", json={"permissions": ["configs:read"]})
        async with asyncio.timeout(20):
            while not await may(other, "/configs", name):
                await asyncio.sleep(0.02)


class Clocked:
    """A book whose clock only a test moves."""

    def __init__(self, database: Reads) -> None:
        self.now = 0.0
        self.book = RoleBook(database, clock=lambda: self.now)

    async def names(self, *named: str) -> set[str]:
        return set(await self.book.roles(list(named or ("viewer",))))


async def test_roles_are_kept_for_an_hour_while_the_database_is_away(
    reads: Reads, api_address: Address
) -> None:
    clocked = Clocked(reads)
    assert {"viewer", "editor", "admin"} <= await clocked.names()
    async with Reads.opened(replace(api_address, port=free_port())) as clocked.book.database:
        clocked.now = LONGEST - 1
        assert "viewer" in await clocked.names()
        clocked.now = LONGEST
        with pytest.raises(Refused) as refused:
            await clocked.names("viewer")
        assert refused.value.code == "no_database"
        assert await clocked.names("viewer", "admin") == {"admin"}
        assert await clocked.book.roles([]) == {}
    clocked.book.database = reads
    clocked.now += 5
    assert "viewer" in await clocked.names()


async def test_roles_are_read_again_after_five_minutes_whoever_told(
    reads: Reads, api_address: Address
) -> None:
    name = named()
    clocked = Clocked(reads)
    await clocked.names()
    owner = Database.connect(api_address)
    async with owner.transaction() as rows:
        await rows.execute(
            text("INSERT INTO roles (name, permissions, inherits) VALUES (:name, '{}', '{}')"), {"name": name}
        )
    clocked.now = FRESH - 1
    assert name not in await clocked.names()
    clocked.now = FRESH
    assert name in await clocked.names()
    async with owner.transaction() as rows:
        await Roles(rows).delete(name)
    await owner.close()


async def test_many_requests_read_roles_once(reads: Reads) -> None:
    clocked = Clocked(reads)
    await asyncio.gather(*(clocked.names() for _ in range(20)))
    reading = clocked.book._reading
    await clocked.names()
    assert clocked.book._reading is reading


def role(*permissions: str, inherits: tuple[str, ...] = ()) -> Role:
    return Role(frozenset(permissions), inherits)


@pytest.mark.parametrize(
    ("held", "wanted", "allowed"),
    [
        ("configs:read", "configs:read", True),
        ("configs:*", "configs:read", True),
        ("*:read", "configs:read", True),
        ("*:*", "*:*", True),
        ("configs:*", "configs:*", True),
        ("configs:read", "configs:*", False),
        ("*:read", "*:*", False),
        ("configs:*", "*:read", False),
        ("configs:read", "configs:write", False),
        ("config:read", "configs:read", False),
    ],
)
def test_a_wildcard_is_covered_only_by_one_as_wide(held: str, wanted: str, allowed: bool) -> None:
    assert allows(frozenset({held}), wanted) is allowed


def test_a_cycle_is_found_over_many_roles() -> None:
    roles: dict[str, Role] = {f"r{n}": role(inherits=(f"r{n + 1}",)) for n in range(500)} | {"r500": role()}
    assert cycle_of("new", ["r0"], roles) is None
    assert cycle_of("r500", ["r0"], roles) == ("r500", *(f"r{n}" for n in range(501)))
    diamond = {"top": role(), "left": role(inherits=("top",)), "right": role(inherits=("top",))}
    assert cycle_of("new", ["left", "right"], diamond) is None


def test_what_is_inherited_is_granted_as_well() -> None:
    roles: dict[str, Any] = {"a": role("secrets:use"), "b": role("jobs:read", inherits=("a",))}
    assert beyond(role("configs:read", inherits=("b",)), roles, frozenset({"configs:*"})) == (
        "jobs:read",
        "secrets:use",
    )
