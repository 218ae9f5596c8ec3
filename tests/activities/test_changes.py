"""`apply_change`: row, audit entry and event, together and once, however often the change is tried."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from codeai import sealing
from codeai.activities.changes import Changes, change_id
from codeai.activities.compilers import Compilers
from codeai.activities.unsealing import Keys
from codeai.persistence.audit import Audit, Entry
from codeai.persistence.configs import Config, Configs
from codeai.persistence.deployments import Deployments
from codeai.persistence.engine import Database
from codeai.persistence.events import Event, Events
from codeai.persistence.pages import Page
from codeai.workflows.contracts.changes import ChangeInput, ChangeResult
from tests.activities.conftest import SCHEDULED, Place
from tests.audit import first_broken

CONFIG = {"name": "release", "content": "return 1"}
ID = "7d3c0d1e-6a55-4e2c-9a3f-1c1df0a0b001"
PRIVATE = sealing.new_private()
NOBODY = "7d3c0d1e-6a55-4e2c-9a3f-1c1df0a0b00f"


@pytest.fixture
def changes(database: Database, compilers: Compilers) -> Changes:
    return Changes(database, compilers, Keys([PRIVATE]))


async def apply(changes: Changes, where: ActivityEnvironment, **given: Any) -> ChangeResult:
    return await where.run(changes.apply_change, ChangeInput.model_validate({"kind": "config"} | given))


async def told(database: Database) -> tuple[list[Entry], list[Event]]:
    async with database.session() as rows:
        assert await first_broken(rows) is None
        audit = (await Audit(rows).page(Page())).items
        return list(audit), list((await Events(rows).page(Page())).items)


async def found(database: Database, id: str) -> Config | None:
    async with database.session() as rows:
        return await Configs(rows).get(id)


async def test_a_config_is_created_updated_and_deleted(
    changes: Changes, database: Database, place: Place
) -> None:
    made = await apply(
        changes, place(), action="create", body=CONFIG, triggered_by="ann", request_id="request-1"
    )
    assert made.status == 201 and made.resource is not None
    id = made.resource.removeprefix("/configs/")
    config = await found(database, id)
    assert config is not None and (config.version, config.created_by) == (1, "ann")

    saved = await apply(changes, place(), action="update", id=id, body=CONFIG | {"content": "return 2"})
    assert (saved.status, saved.resource) == (200, made.resource)
    config = await found(database, id)
    assert config is not None and (config.version, config.content) == (2, "return 2")

    gone = await apply(changes, place(), action="delete", id=id, triggered_by="bob")
    assert (gone.status, gone.resource, gone.problem) == (204, None, None)
    assert await found(database, id) is None

    audit, events = await told(database)
    assert [(one.action, one.entity, one.actor, one.via) for one in reversed(audit)] == [
        ("create", f"config/{id}", "ann", "api"),
        ("update", f"config/{id}", None, "temporal"),
        ("delete", f"config/{id}", "bob", "temporal"),
    ]
    deleted, updated, created = (json.loads(one.details) for one in audit)
    assert created["before"] is None and deleted["after"] is None
    assert created["after"] == updated["before"] and updated["after"] == deleted["before"]
    assert [created["after"]["version"], updated["after"]["version"]] == [1, 2]
    assert created["after"]["content_hash"] != updated["after"]["content_hash"] == config.content_hash
    assert {event.type for event in events} == {
        "change.config.created",
        "change.config.updated",
        "change.config.deleted",
    }
    assert all(event.timestamp == SCHEDULED for event in events)
    assert {json.loads(event.data)["id"] for event in events} == {id}


@pytest.mark.parametrize("action", ["create", "update", "delete"])
async def test_another_attempt_at_the_same_change_changes_nothing(
    changes: Changes, database: Database, place: Place, action: str
) -> None:
    given: dict[str, Any] = {"action": action, "body": CONFIG | {"content": "return 2"}}
    if action != "create":
        await apply(changes, place(), action="create", id=ID, body=CONFIG)
        given["id"] = ID
    workflow = f"change/{uuid.uuid4()}"
    first = await apply(changes, place(workflow, "run"), **given)
    before = await told(database), await found(database, "release")
    again = await apply(changes, place(workflow, "run", attempt=2), **given)
    assert again == first and first.problem is None
    assert (await told(database), await found(database, "release")) == before
    assert len(before[0][0]) == len(before[0][1]) == (1 if action == "create" else 2)


async def test_a_repeat_after_somebody_elses_change_leaves_that_alone(
    changes: Changes, database: Database, place: Place
) -> None:
    workflow = f"change/{uuid.uuid4()}"
    await apply(changes, place(), action="create", id=ID, body=CONFIG)
    mine = {"action": "update", "id": ID, "body": CONFIG | {"content": "return 2"}}
    await apply(changes, place(workflow, "run"), **mine)
    await apply(changes, place(), action="update", id=ID, body=CONFIG | {"content": "return 3"})
    assert (await apply(changes, place(workflow, "run", attempt=2), **mine)).status == 200
    config = await found(database, ID)
    assert config is not None and (config.version, config.content) == (3, "return 3")


@pytest.mark.parametrize(
    ("given", "status", "code", "detail"),
    [
        ({"action": "create", "body": CONFIG}, 409, "conflict", "a config named 'release' already"),
        (
            {"action": "update", "id": ID, "body": CONFIG, "if_match": 9},
            412,
            "precondition_failed",
            "its version is 1 now",
        ),
        ({"action": "delete", "id": ID, "if_match": 9}, 412, "precondition_failed", "its version is 1 now"),
        ({"action": "delete", "id": ID}, 409, "conflict", "is used by a deployment"),
        (
            {"action": "update", "id": NOBODY, "body": CONFIG},
            404,
            "not_found",
            f"there is no config '{NOBODY}'",
        ),
        ({"action": "delete", "id": NOBODY}, 404, "not_found", f"there is no config '{NOBODY}'"),
        ({"action": "create", "body": {"name": ""}}, 422, "invalid", "content: Field required"),
        ({"kind": "planet", "action": "create"}, 422, "invalid", "nothing of kind 'planet' can be changed"),
        (
            {"kind": "deployment", "action": "create", "body": {"name": "x", "config_id": "none"}},
            422,
            "invalid",
            "there is no config 'none'",
        ),
        (
            {"kind": "deployment", "action": "create", "body": {"name": "x", "config_id": ID, "version": 4}},
            422,
            "invalid",
            f"there is no config version '{ID} 4'",
        ),
    ],
)
async def test_a_refusal_says_why_and_leaves_no_trace(
    changes: Changes,
    database: Database,
    place: Place,
    given: dict[str, Any],
    status: int,
    code: str,
    detail: str,
) -> None:
    await apply(changes, place(), action="create", id=ID, body=CONFIG)
    await apply(
        changes, place(), kind="deployment", action="create", body={"name": "shop", "config_id": "release"}
    )
    before = await told(database), await found(database, ID)
    refused = await apply(changes, place(), **given)
    assert refused.problem is not None
    assert (refused.status, refused.problem.status, refused.problem.code) == (status, status, code)
    assert detail in refused.problem.detail
    assert (await told(database), await found(database, ID)) == before


async def test_a_change_goes_on_from_the_version_that_was_seen(
    changes: Changes, database: Database, place: Place
) -> None:
    await apply(changes, place(), action="create", id=ID, body=CONFIG)
    saved = await apply(changes, place(), action="update", id=ID, body=CONFIG, if_match=1)
    assert saved.status == 200
    assert (await apply(changes, place(), action="delete", id=ID, if_match=2)).status == 204


async def test_an_invalid_program_is_kept_as_a_draft(
    changes: Changes, database: Database, place: Place
) -> None:
    made = await apply(
        changes, place(), action="create", id=ID, body=CONFIG | {"content": "return nobody", "workspace": {}}
    )
    assert made.status == 201
    async with database.session() as rows:
        draft = await Configs(rows).version(ID)
    assert draft is not None and draft.ast is None
    (error,) = json.loads(draft.validation_errors)
    assert error["message"] == 'unknown name "nobody"'


async def test_a_deployment_is_created_updated_and_deleted(
    changes: Changes, database: Database, place: Place
) -> None:
    await apply(changes, place(), action="create", id=ID, body=CONFIG)
    body = {"name": "shop", "config_id": "release", "version": 1, "inputs": {"rate": 2.0}}
    made = await apply(changes, place(), kind="deployment", action="create", body=body, triggered_by="ann")
    assert made.resource is not None
    id = made.resource.removeprefix("/deployments/")
    body |= {"config_id": None, "version": None}
    assert (await apply(changes, place(), kind="deployment", action="update", id=id, body=body)).status == 200
    async with database.session() as rows:
        saved = await Deployments(rows).get("shop")
    assert saved is not None
    assert (saved.revision, saved.config_id, saved.inputs, saved.created_by) == (
        2,
        None,
        '{"rate":2.0}',
        "ann",
    )
    assert (await apply(changes, place(), kind="deployment", action="delete", id=id)).status == 204
    async with database.session() as rows:
        assert await Deployments(rows).get("shop") is None


def test_a_change_is_known_by_its_workflow() -> None:
    assert change_id(f"change/{ID}", "any run") == uuid.UUID(ID)
    by_hand = change_id("by hand", "run 1")
    assert by_hand == change_id("by hand", "run 1") != change_id("by hand", "run 2")


async def test_the_sealed_form_of_a_secret_is_made_anew_and_told_without_it(
    changes: Changes, database: Database, place: Place
) -> None:
    sealed = sealing.seal(sealing.public_of(PRIVATE), "npm", "S3cr3t-of-npm")
    await apply(changes, place(), kind="secret", action="update", id="npm", body={"sealed": sealed})
    made = await apply(
        changes, place(), kind="secret", action="update", id="npm", body={"anew": True}, triggered_by="ann"
    )
    assert (made.status, made.resource) == (200, "/secrets/npm")
    audit, _ = await told(database)
    assert (audit[0].action, audit[0].entity, audit[0].actor) == ("update", "secret/npm", "ann")
    assert sealed not in audit[0].details and "key_id" in json.loads(audit[0].details)["after"]
    for action, status in (("update", 404), ("create", 422)):
        gone = await apply(changes, place(), kind="secret", action=action, id="other", body={"anew": True})
        assert gone.problem is not None and gone.problem.status == status


async def test_what_is_told_of_a_deployment_has_no_passwords(
    changes: Changes, database: Database, place: Place
) -> None:
    inputs = {"region": "eu", "db_password": "hunter2hunter2"}
    body = {"name": "shop", "inputs": inputs}
    await apply(changes, place(), kind="deployment", action="create", body=body)
    audit, _ = await told(database)
    after = json.loads(audit[0].details)["after"]
    assert after["name"] == "shop" and after["inputs"] == {"region": "eu", "db_password": "***"}


async def roles(changes: Changes, where: ActivityEnvironment, action: str, name: str, **given: Any) -> Any:
    made = await apply(changes, where, kind="role", action=action, id=name, **given)
    return made.status if made.problem is None else (made.problem.status, made.problem.detail)


async def test_a_role_is_stored_changed_and_removed(
    changes: Changes, database: Database, place: Place
) -> None:
    body = {"permissions": ["configs:read"], "inherits": ["viewer"]}
    assert await roles(changes, place(), "update", "ops", body=body) == 200
    assert await roles(changes, place(), "update", "ops", body={"permissions": ["jobs:*"]}, if_match=1) == 200
    status, why = await roles(changes, place(), "update", "ops", body=body, if_match=1)
    assert status == 412 and "version is 2" in why
    assert await roles(changes, place(), "delete", "ops") == 204
    assert (await roles(changes, place(), "delete", "ops"))[0] == 404
    audit, events = await told(database)
    assert [one.action for one in reversed(audit)] == ["update", "update", "delete"]
    assert json.loads(audit[1].details)["before"]["permissions"] == ["configs:read"]
    assert {event.type for event in events} == {"change.role.updated", "change.role.deleted"}


async def test_what_a_role_may_not_be(changes: Changes, place: Place) -> None:
    async def put(name: str, held: list[str] | None = None, **body: Any) -> Any:
        return await roles(changes, place(), "update", name, body=body, held=held)

    assert await put("a", inherits=["viewer"]) == 200
    assert await put("b", inherits=["a"]) == 200
    assert await put("a", inherits=["b"]) == (422, "a role cannot inherit itself: a -> b -> a")
    assert await put("a", inherits=["a"]) == (422, "a role cannot inherit itself: a -> a")
    assert await put("a", inherits=["nobody"]) == (422, "there is no role 'nobody'")
    assert (await roles(changes, place(), "delete", "a"))[0] == 409
    assert (await roles(changes, place(), "delete", "admin"))[0] == 409
    assert (await put("admin", permissions=["configs:*"]))[0] == 409
    assert await put("admin", permissions=["*:*", "configs:*"]) == 200
    mine = ["roles:*", "configs:*"]
    assert await put("c", held=mine, permissions=["configs:read", "configs:*", "roles:write"]) == 200
    status, why = await put("c", held=mine, permissions=["configs:read", "*:read", "secrets:use"])
    assert status == 403 and "*:read, secrets:use" in why
    assert (await put("c", held=mine, inherits=["viewer"]))[0] == 403
    assert (await put("d", permissions=["everything"]))[0] == 422


async def test_two_changes_at_once_make_no_cycle(changes: Changes, place: Place) -> None:
    for name in ("one", "two"):
        await roles(changes, place(), "update", name, body={})
    outcomes = await asyncio.gather(
        roles(changes, place(), "update", "one", body={"inherits": ["two"]}),
        roles(changes, place(), "update", "two", body={"inherits": ["one"]}),
    )
    assert sorted(map(str, outcomes))[-1] == "200" and len({str(one)[:3] for one in outcomes}) == 2
