"""The API keeps what its OpenAPI says, and no request gets a 5xx out of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast
from unittest.mock import sentinel

import httpx2
import jsonschema_rs  # comes with schemathesis
import pytest
from fastapi.routing import APIRoute

from codeai.api.app import ROUTERS, assemble
from codeai.api.examples import BODIES, OF_OPERATIONS, VIEWS, example_of
from codeai.api.problems import PROBLEMS
from codeai.api.stream_events import EVENTS
from codeai.observing import Observing
from codeai.settings import Settings
from codeai.workflows.contracts.permissions import ROLES
from tests.api.conftest import Served, bearer
from tests.api.test_executions import events
from tests.generated_requests import words

SECONDS = 12
DOCUMENT: dict[str, Any] = assemble(
    cast(Any, sentinel.parts), Observing.by(Settings(), "api"), ["localhost"]
).openapi()
OPERATIONS = {
    operation["operationId"]: operation
    for methods in DOCUMENT["paths"].values()
    for operation in methods.values()
}


@pytest.fixture
async def default_roles(served: Served) -> AsyncIterator[None]:
    """Puts back the roles that other tests rely on: what is made up may change and delete them."""
    yield
    async with served.client("admin") as admin:
        for name in ("viewer", "editor"):  # in the order in which they inherit
            role = ROLES[name]
            body = {"permissions": sorted(role.permissions), "inherits": list(role.inherits)}
            answer = await admin.put(f"/roles/{name}", json=body)
            assert answer.status_code == 200, answer.text


@pytest.mark.usefixtures("default_roles")
@pytest.mark.parametrize(
    "phases", [("examples", "coverage", "fuzzing"), ("stateful",)], ids=["alone", "in turn"]
)
async def test_generated_requests_are_answered_as_documented(
    served: Served, tmp_path: Path, phases: tuple[str, ...]
) -> None:
    tester = await asyncio.create_subprocess_exec(
        *words(served.url, bearer("admin")["Authorization"], SECONDS, *phases),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(tester.communicate(), 6 * SECONDS)
    assert tester.returncode == 0, said.decode(errors="replace")[-6000:]


def test_every_operation_says_what_it_is_and_how_it_refuses() -> None:
    """Its id is the route's name and never changes by itself; each status that a problem may have is told."""
    names = [route.name for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    assert sorted(OPERATIONS) == sorted(names)
    for id, operation in OPERATIONS.items():
        assert operation["summary"] and operation["description"], id
        assert {"401", "403", "429", "500", "503", "504"} <= set(operation["responses"]), id
        assert ("requestBody" in operation) == ("413" in operation["responses"]), id
    told = {status for operation in OPERATIONS.values() for status in operation["responses"]}
    of_no_operation = {"405"}  # the path is there, the method is not
    assert {str(row.status) for row in PROBLEMS.values()} - told == of_no_operation


def test_headers_of_answers_are_told() -> None:
    def told(id: str, status: str) -> set[str]:
        return set(OPERATIONS[id]["responses"][status].get("headers", ()))

    assert told("create_config", "201") == {"Location"}
    assert told("create_config", "202") == {"Location", "Retry-After"}
    assert told("run_program", "202") == told("cancel_execution", "202") == {"Location"}
    for id in ("show_config", "show_deployment", "show_secret", "show_role"):
        assert told(id, "200") == {"ETag"}


def bodies() -> Iterator[Any]:
    """Every JSON that an operation takes or gives, and every problem."""
    contents = {(status, "problem"): told for status, told in DOCUMENT["components"]["responses"].items()}
    for id, operation in OPERATIONS.items():
        contents[id, "request"] = operation.get("requestBody", {})
        contents |= {(id, status): told for status, told in operation["responses"].items()}
    for (id, of), told in contents.items():
        for media_type, body in told.get("content", {}).items():
            if media_type.endswith("json"):
                yield pytest.param(body, id=f"{id} {of}")


@pytest.mark.parametrize("body", list(bodies()))
def test_every_body_has_an_example_that_fits(body: dict[str, Any]) -> None:
    schema = {**body["schema"], "components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(body["example"])


def data_of(stream: str, operation: str) -> list[str]:
    """The names of a stream's events, whose data is as the operation says."""
    sent = OPERATIONS[operation]["responses"]["200"]["content"]["text/event-stream"]["x-events"]
    told = events(stream)
    for name, data, _ in told:
        schema = {**sent[name], "components": DOCUMENT["components"]}
        jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(data)
        declared = DOCUMENT["components"]["schemas"][sent[name]["$ref"].rpartition("/")[2]]["properties"]
        assert set(data) == set(declared), name
    return [name for name, _, _ in told]


async def test_streams_send_the_events_that_are_told(admin: httpx2.AsyncClient) -> None:
    program = 'log("one")\napprove("go on?")\n'
    started = await admin.post("/executions", json={"program": program})
    place = f"/executions/{started.json()['id']}"
    text = ""
    async with admin.stream("GET", f"{place}/logs?follow=true&steps=true") as stream:
        async for piece in stream.aiter_text():
            if "event: approval" in text + piece and "event: approval" not in text:
                assert (await admin.post(f"{place}/approve")).status_code == 200
            text += piece
    assert set(data_of(text, "show_log")) == set(EVENTS["show_log"])
    text = ""
    async with admin.stream("GET", "/events/stream") as stream:
        async for piece in stream.aiter_text():
            if not text:
                await admin.post("/events", json={"type": "schema.told", "data": {}})
            text += piece
            if "schema.told" in text:
                break
    assert "event" in data_of(text, "follow_events")


def test_every_answer_says_what_it_is() -> None:
    for id, operation in OPERATIONS.items():
        for status, answer in operation["responses"].items():
            for media_type, content in answer.get("content", {}).items():
                assert content.get("schema"), (id, status, media_type)
                if media_type == "text/event-stream":
                    assert data_of(content["example"], id) == list(content["x-events"])


def test_no_example_is_left_over() -> None:
    schemas = set(DOCUMENT["components"]["schemas"])
    assert set(BODIES) | set(VIEWS) <= schemas
    assert set(OF_OPERATIONS) <= set(OPERATIONS)


async def test_examples_look_like_what_is_answered(admin: httpx2.AsyncClient) -> None:
    """What is sent is taken, and what is answered has the same fields, with values of the same kinds."""

    async def shown(method: str, path: str, schema: str, send: str | None = None, **more: Any) -> Any:
        body = None if send is None else {**BODIES[send], **more}
        answer = await admin.request(method, path, json=body)
        assert answer.status_code < 300, answer.text
        found, example = answer.json(), example_of(schema)
        if schema.startswith("Listing_"):
            found, example = found["items"][0], example["items"][0]
        assert set(found) == set(example), (path, schema)
        for name, value in example.items():
            if value is not None and found[name] is not None:
                assert type(found[name]) is type(value), (path, name)
        return answer.json()

    config = await shown(
        "POST", "/configs", "ConfigView", "ConfigBody", name="an-example", content="log(1)\n"
    )
    version = await shown("GET", f"/configs/{config['id']}/versions/1", "VersionView")
    assert version["ast"] == VIEWS["VersionView"]["ast"]
    await shown("GET", "/configs", "Listing_ConfigView_")
    for path, schema in (("validate", "Examination"), ("format", "Layout")):
        assert (await shown("POST", f"/configs/{path}", schema, "ProgramBody")) == VIEWS[schema]
    deployment = await shown(
        "POST",
        "/deployments",
        "DeploymentView",
        "DeploymentBody",
        name="an-example",
        config_id=config["id"],
        inputs={},
    )
    await shown("POST", f"/deployments/{deployment['id']}/plan", "PlanView", "PlanBody", inputs={})
    started = await shown("POST", "/executions", "ResultView", "RunBody", wait=True)
    run = f"/executions/{started['execution_id']}"
    await shown("GET", run, "ExecutionView")
    await shown("GET", f"{run}/result", "ResultView")
    await shown("GET", f"{run}/logs", "Listing_LogView_")
    await shown("GET", f"{run}/trace", "TraceView")
    state = (await admin.get(f"{run}/state")).json()
    assert set(state) - {"as_of"} == set(OF_OPERATIONS["show_state"])
    await shown("POST", f"/deployments/{deployment['id']}/stop", "StoppedView")
    await shown("POST", "/events", "StartedView", "EventBody")
    await shown("PUT", "/secrets/an-example", "SecretView", "SecretValue")
    assert set((await admin.get("/secrets")).json()) == set(VIEWS["SecretListing"])
    await shown("PUT", "/roles/an-example", "RoleView", "RoleBody")
    for path, schema in (("/me", "MeView"), ("/health", "HealthView"), ("/audit", "Listing_AuditView_")):
        await shown("GET", path, schema)
    await shown("POST", "/query", "RowsView", "QueryBody")
    for path in (f"/deployments/{deployment['id']}", f"/configs/{config['id']}", "/secrets/an-example"):
        assert (await admin.delete(path)).status_code == 204
    assert (await admin.delete("/roles/an-example")).status_code == 204
