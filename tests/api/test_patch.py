"""An edited program for runs that are parked, paused or have failed: how they go on, what is refused."""

from __future__ import annotations

import json
import uuid

import httpx2

from codeai.persistence.audit import Audit
from codeai.persistence.blobs import hash_of
from codeai.persistence.pages import Page
from tests.api.conftest import Served
from tests.api.test_edge import problem
from tests.api.test_executions import running
from tests.api.test_parked import parked, said

BEFORE = """\
param n = 2
log("made ${n}")
fail("oops")
return n
"""
AFTER = """\
param n = 2
# mended
log("made ${n}")
log("more")
return [n, "more"]
"""
WRONG = AFTER.replace("made", "done")


async def test_a_parked_run_goes_on_with_the_edited_program(
    admin: httpx2.AsyncClient, served: Served
) -> None:
    id = await parked(admin, BEFORE)
    state = (await admin.get(f"/executions/{id}/state")).json()
    assert "patch" in state["fibres"][0]["can"]
    refused = problem(await admin.post(f"/executions/{id}/patch", json={"program": WRONG}), "has_run")
    assert "line 2 has run, and is changed" in str(refused["detail"]) and "line 3 is now" in str(
        refused["detail"]
    )
    problem(await admin.post(f"/executions/{id}/patch", json={"program": "return nobody"}), "invalid_program")
    told = await said(admin, id, "patch", program=AFTER, comment="a slip")
    assert told["status"] == "running"
    ended = await running(admin, id, "complete")
    assert ended["result"] == [2, "more"]
    assert ended["content_hash"] == hash_of(AFTER)
    log = (await admin.get(f"/executions/{id}/logs")).text
    assert "patch by somebody, line 3: a slip" in log
    assert log.count("made 2") == log.count("more") == 1
    trace = (await admin.get(f"/executions/{id}/trace")).json()
    assert trace["complete"] and trace["cut"] is None
    shown = [(one["kind"], one["line"], one["source"]) for one in trace["items"]]
    assert ("error", 3, 'fail("oops")') in shown
    assert ("ask", 4, 'log("more")') in shown
    assert [one["kind"] for one in trace["items"]].count("patch") == 1
    async with served.database.session() as rows:
        entries = (await Audit(rows).page(Page(limit=50))).items
    (entry,) = [one for one in entries if (one.entity, one.action) == (f"execution/{id}", "patch")]
    assert (entry.action, entry.actor, entry.via) == ("patch", "somebody", "api")
    details = json.loads(entry.details)
    assert (details["before"], details["program"]) == (hash_of(BEFORE), hash_of(AFTER))


async def test_a_paused_run_goes_on_with_it_when_it_is_resumed(admin: httpx2.AsyncClient) -> None:
    source = 'var said = wait_event("custom.patch.{}", timeout: "1m").data\nreturn 1\n'.replace(
        "{}", uuid.uuid4().hex
    )
    id = (await admin.post("/executions", json={"program": source})).json()["id"]
    await running(admin, id, "waiting")
    problem(await admin.post(f"/executions/{id}/patch", json={"program": source}), "not_parked")
    await said(admin, id, "pause")
    await running(admin, id, "paused")
    edited = source.replace("return 1", "log(said.n)\nreturn 2")
    assert (await said(admin, id, "patch", program=edited))["status"] == "paused"
    await said(admin, id, "resume")
    await admin.post("/events", json={"type": source.split('"')[1], "data": {"n": 7}})
    assert (await running(admin, id, "complete"))["result"] == 2
    assert "7" in (await admin.get(f"/executions/{id}/logs")).text


async def test_a_failed_run_says_which_statement_differs_and_stays_as_it_was(
    admin: httpx2.AsyncClient,
) -> None:
    body = {"program": BEFORE, "failure_policy": "fail", "inputs": {"n": 5}}
    id = (await admin.post("/executions", json=body)).json()["id"]
    await running(admin, id, "failed")
    answer = await admin.post(f"/executions/{id}/patch", json={"program": WRONG})
    while answer.json()["code"] == "not_ended":  # its row says so before its workflow has
        answer = await admin.post(f"/executions/{id}/patch", json={"program": WRONG})
    problem(answer, "has_run")
    assert (await admin.get(f"/executions/{id}")).json()["status"] == "failed"
