"""The plan of a deployment: what a run of it would do."""

from __future__ import annotations

import uuid

import httpx2

from codeai.api.compiler_process import PLANNED_FOR
from codeai.cli.plan import PERMISSIONS
from tests.api.conftest import Served
from tests.api.test_changes import named
from tests.api.test_edge import problem
from tests.api.test_permissions import needed

PROGRAM = 'param name\nparam times = 1\nfor i in range(times) {\n    exec { echo "$name" }\n}\n'


async def deployment(admin: httpx2.AsyncClient, program: str = PROGRAM, **inputs: object) -> str:
    config = (await admin.post("/configs", json={"name": named(), "content": program})).json()
    body = {"name": named(), "config_id": config["id"], "inputs": inputs}
    place: str = (await admin.post("/deployments", json=body)).headers["location"]
    return place


async def test_a_plan_has_the_inputs_of_the_deployment_and_those_given(admin: httpx2.AsyncClient) -> None:
    place = await deployment(admin, times=2)
    own = (await admin.post(f"{place}/plan")).json()
    assert own["missing_inputs"] == ["name"] and len(own["entries"]) == 2
    given = (await admin.post(f"{place}/plan", json={"inputs": {"name": "Ada", "times": 3}})).json()
    assert [entry["variables"]["name"]["value"] for entry in given["entries"]] == ["Ada"] * 3
    assert given["needs"]["permissions"] == ["deployments:execute"]
    runs = await admin.get(f"/executions?deployment_id={place.rpartition('/')[2]}")
    assert runs.json()["items"] == []


async def test_it_needs_no_more_than_reading(served: Served, admin: httpx2.AsyncClient) -> None:
    place = await deployment(admin)
    async with served.client("viewer") as viewer:
        assert (await viewer.post(f"{place}/plan", json={})).status_code == 200
    async with served.client() as nobody:
        problem(await nobody.post(f"{place}/plan", json={}), "unauthenticated")


async def test_what_cannot_be_planned_is_refused(admin: httpx2.AsyncClient) -> None:
    problem(await admin.post(f"/deployments/{uuid.uuid4()}/plan"), "not_found")
    empty = (await admin.post("/deployments", json={"name": named()})).headers["location"]
    problem(await admin.post(f"{empty}/plan"), "no_config")
    draft = await deployment(admin, "return nowhere\n")
    assert problem(await admin.post(f"{draft}/plan"), "invalid_program")["diagnostics"]
    place = await deployment(admin)
    for inputs in ({"times": "x"}, {"nobody": 1}):
        refused = problem(await admin.post(f"{place}/plan", json={"inputs": inputs}), "invalid_input")
        assert "inputs." in str(refused["errors"])


async def test_a_program_that_computes_for_ever_is_cut(admin: httpx2.AsyncClient) -> None:
    place = await deployment(admin, "var i = 0\nwhile true { i += 1 }\n")
    made = (await admin.post(f"{place}/plan")).json()
    assert "instructions" in made["cut"]


def test_a_plan_names_the_permissions_that_starting_needs() -> None:
    assert set(PLANNED_FOR) == needed("POST", "/deployments/{id}/execute")
    assert set(PERMISSIONS) == needed("POST", "/executions")
