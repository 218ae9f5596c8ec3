"""Secrets by the API: sealed before anything else sees them, listed by name, never shown."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import asyncpg
import httpx2
import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from codeai import sealing
from codeai.activities.unsealing import Keys
from codeai.persistence.audit import Audit
from codeai.persistence.engine import Database
from codeai.persistence.pages import Page
from codeai.persistence.secrets import NewSecret, Secrets
from codeai.workflows.contracts.kinds import CHANGE_RECORD
from codeai.workflows.contracts.secrets import key_id_of
from tests.api.conftest import OLD_PRIVATE_KEY, PRIVATE_KEY, Served
from tests.api.test_edge import problem

VALUE = "S3cr3t-of-the-API"
PUBLIC_KEY = sealing.public_of(PRIVATE_KEY)


def named() -> str:
    return f"secret.{uuid.uuid4()}"


async def clear(database: Database, name: str) -> str:
    """What a worker finds."""
    async with database.session() as rows:
        stored = (await Secrets(rows).sealed([name]))[name]
    assert VALUE not in stored.sealed
    return Keys([PRIVATE_KEY]).open(name, stored.sealed)


async def told(database: Database, name: str) -> list[dict[str, Any]]:
    """The details of the secret's audit lines, oldest first."""
    async with database.session() as rows:
        page = (await Audit(rows).page(Page(limit=100))).items
    return [json.loads(one.details) for one in reversed(page) if one.entity == f"secret/{name}"]


async def test_a_secret_is_sealed_and_nowhere_shown(served: Served, admin: httpx2.AsyncClient) -> None:
    name = named()
    made = await admin.put(f"/secrets/{name}", json={"value": VALUE})
    assert made.status_code == 200, made.text
    assert {"name": name, "mask": True, "version": 1, "created_by": "somebody"}.items() <= made.json().items()
    read = await admin.get(f"/secrets/{name}")
    assert read.json() == made.json() and read.headers["etag"] == '"1"'
    listed = await admin.get("/secrets")
    assert listed.json()["items"][0] == made.json() and listed.json()["seal_key"] == PUBLIC_KEY
    assert set(made.json()) == {
        *("name", "mask", "version", "key_id", "created_by", "created_at", "updated_at")
    }
    assert await clear(served.database, name) == VALUE
    after = {"mask": True, "key_id": made.json()["key_id"], "version": 1}
    assert await told(served.database, name) == [{"before": None, "after": after}]
    async for run in served.temporal.list_workflows(f"WorkflowType = '{CHANGE_RECORD.type}'"):
        history = await served.temporal.get_workflow_handle(run.id).fetch_history()
        assert VALUE not in history.to_json()


async def test_a_secret_is_put_anew_and_deleted(served: Served, admin: httpx2.AsyncClient) -> None:
    place = f"/secrets/{(name := named())}"
    assert (await admin.put(place, json={"value": VALUE})).status_code == 200
    again = await admin.put(place, json={"value": "short", "mask": False}, headers={"If-Match": '"1"'})
    assert (again.json()["version"], again.json()["mask"]) == (2, False)
    assert await clear(served.database, name) == "short"
    stale = {"If-Match": '"1"'}
    problem(await admin.put(place, json={"value": VALUE}, headers=stale), "precondition_failed")
    problem(await admin.delete(place, headers=stale), "precondition_failed")
    assert (await admin.delete(place)).status_code == 204
    problem(await admin.delete(place), "not_found")
    problem(await admin.get(place), "not_found")
    problem(await admin.put(place, json={"value": VALUE}, headers=stale), "precondition_failed")


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("a", {"value": "7 bytes"}, "at least 8 bytes"),
        ("a", {"value": ""}, "at least 1"),
        ("a", {"value": "é" * 40_000}, "at most 65,536 bytes"),
        ("a", {"value": 12345678}, "string"),
        ("a", {"value": VALUE, "more": 1}, "body.more"),
        ("a", {}, "required"),
        ("1a", {"value": VALUE}, "name"),
        ("a b", {"value": VALUE}, "name"),
        ("a" * 129, {"value": VALUE}, "name"),
        ("a%0A", {"value": VALUE}, "name"),
    ],
)
async def test_what_cannot_be_a_secret_is_refused_and_not_repeated(
    admin: httpx2.AsyncClient, name: str, body: dict[str, Any], said: str
) -> None:
    answer = await admin.put(f"/secrets/{name}", json=body)
    problem(answer, "invalid")
    assert said in answer.text and str(body.get("value") or "-none-") not in answer.text


async def test_an_editor_neither_sees_nor_sets_secrets(served: Served) -> None:
    async with served.client("editor") as editor:
        problem(await editor.get("/secrets"), "forbidden")
        problem(await editor.put("/secrets/a", json={"value": VALUE}), "forbidden")
        problem(await editor.delete("/secrets/a"), "forbidden")


async def test_the_role_of_the_api_cannot_read_what_is_sealed(
    served: Served, admin: httpx2.AsyncClient
) -> None:
    await admin.put(f"/secrets/{named()}", json={"value": VALUE})
    at = served.settings.database
    connection = await asyncpg.connect(
        host=at.host, port=at.port, user=at.api_user, password=at.api_password, database=at.name
    )
    try:
        assert await connection.fetch("SELECT name, mask, version, updated_at FROM secrets")
        for asked in ("sealed", "*", "length(sealed)", "secrets"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT {asked} FROM secrets")
    finally:
        await connection.close()


# Without the API


async def changed(temporal: Client, **given: Any) -> tuple[dict[str, Any], str]:
    """What a ChangeRecord answers, started as `temporal workflow start` does, and its history; a failed one answers
    its message and details."""
    run = await temporal.start_workflow(
        CHANGE_RECORD.type,
        {"kind": "secret", "action": "update"} | given,
        id=f"change/{uuid.uuid4()}",
        task_queue=CHANGE_RECORD.queue,
        result_type=dict,
    )
    try:
        answer: dict[str, Any] = await asyncio.wait_for(run.result(), 20)
    except WorkflowFailureError as failure:
        assert isinstance(failure.cause, ApplicationError)
        assert (await run.describe()).status is WorkflowExecutionStatus.FAILED
        answer = {"message": failure.cause.message, "details": failure.cause.details}
    return answer, (await run.fetch_history()).to_json()


async def test_a_sealed_secret_needs_no_api(served: Served) -> None:
    name = named()
    body = {"sealed": sealing.seal(PUBLIC_KEY, name, VALUE), "mask": True}
    answer, _ = await changed(served.temporal, id=name, body=body)
    assert answer["status"] == 200 and answer["resource"] == f"/secrets/{name}"
    assert await clear(served.database, name) == VALUE
    taken, _ = await changed(served.temporal, id=name, body=body, action="create")
    assert taken["problem"]["code"] == "conflict"


@pytest.mark.parametrize(
    "given",
    [
        {"body": {"value": VALUE}},
        {"body": {"sealed": VALUE}},
        {"body": {"sealed": f"sealed:v1:{VALUE}"}},
        {"body": {"sealed": f"sealed:v1:{'0' * 16}:{VALUE}", "mask": True}},
        {"body": {"sealed": VALUE * 10_000}},
        {"action": "create", "body": {"value": VALUE, "mask": False}},
        {"action": "delete", "body": {"value": VALUE}},
        {"body": VALUE},
    ],
)
async def test_a_workflow_refuses_what_is_not_sealed_without_repeating_it(
    served: Served, given: dict[str, Any]
) -> None:
    name = named()
    answer, history = await changed(served.temporal, id=name, **given)
    assert "body" in answer["message"] and VALUE not in str(answer)
    if given["body"] != VALUE:
        assert "not sealed; do that first: codeai secrets seal NAME" in answer["message"]
    assert "activityTaskScheduled" not in history  # it stands in the run's own input, and nowhere else
    assert await told(served.database, name) == []


async def keep(database: Database, name: str, key: str) -> str:
    """Stores a secret that was sealed for a private key's pair; the key's id."""
    sealed = sealing.seal(sealing.public_of(key), name, VALUE)
    async with database.transaction() as rows:
        await Secrets(rows).put(NewSecret(name, sealed, key_id_of(sealed)))
    return key_id_of(sealed)


async def test_a_secret_is_sealed_anew_for_the_key_in_force(
    served: Served, admin: httpx2.AsyncClient
) -> None:
    name = named()
    old = await keep(served.database, name, OLD_PRIVATE_KEY)
    answer = await admin.post(f"/secrets/{name}/rotate")
    assert answer.status_code == 200, answer.text
    current = sealing.key_id(sealing.read_key(PUBLIC_KEY))
    assert (answer.json()["key_id"], answer.json()["version"]) == (current, 2) and old != current
    assert await clear(served.database, name) == VALUE
    again = await admin.post(f"/secrets/{name}/rotate")
    assert again.json() == answer.json()


async def test_what_no_worker_can_open_stays_as_it_is_and_that_is_said(
    served: Served, admin: httpx2.AsyncClient
) -> None:
    name = named()
    lost = await keep(served.database, name, sealing.new_private())
    answer = await admin.post(f"/secrets/{name}/rotate")
    problem(answer, "conflict")
    assert lost in answer.text and f"codeai secrets set {name}" in answer.text
    assert (await admin.get(f"/secrets/{name}")).json()["key_id"] == lost
    problem(await admin.post(f"/secrets/{named()}/rotate"), "not_found")
    async with served.client("editor") as editor:
        problem(await editor.post(f"/secrets/{name}/rotate"), "forbidden")
