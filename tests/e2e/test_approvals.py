"""Approvals as others see them: each stands in the events once, whatever dies meanwhile."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.platform import Platform, platform, wait_until

ASK = 'return approve("Ship?", timeout: "90s", check: false).approved'


def told(stack: Platform, id: str, token: str) -> list[dict[str, Any]]:
    """The events of a run's approvals, in the order in which they happened."""
    found: list[dict[str, Any]] = []
    for what in ("requested", "approved", "rejected", "expired", "withdrawn"):
        page = stack.request("GET", f"/events?type=approval.{what}&limit=100", token=token)[2]
        found += [event for event in page["items"] if event["data"]["execution_id"] == id]
    return sorted(found, key=lambda event: str(event["timestamp"]))


def types(stack: Platform, id: str, token: str) -> list[str]:
    return [event["type"].removeprefix("approval.") for event in told(stack, id, token)]


def opened(stack: Platform, id: str, token: str, count: int = 1) -> list[dict[str, Any]]:
    """The approvals of a run when that many are open."""

    def asked() -> list[dict[str, Any]] | None:
        items = stack.request("GET", "/approvals?limit=100", token=token)[2]["items"]
        of_run = [one for one in items if one["execution_id"] == id]
        return of_run if len(of_run) == count else None

    found: list[dict[str, Any]] = wait_until(asked, 60, f"{count} open approvals")
    return found


def decide(stack: Platform, id: str, token: str, word: str = "approve", **body: Any) -> None:
    status, _, answer = stack.request("POST", f"/executions/{id}/{word}", body, token=token)
    assert status in (200, 202), answer


def test_an_approval_is_an_event_when_it_opens_and_when_it_is_decided(stack: Platform, token: str) -> None:
    id = stack.detach('return approve("Ship ${1 + 1}?", timeout: "90s", role: "admin").by')
    opened(stack, id, token)
    decide(stack, id, token, comment="looks good")
    assert stack.ended(id, token)["status"] == "complete"
    requested, approved = told(stack, id, token)
    assert [requested["type"], approved["type"]] == ["approval.requested", "approval.approved"]
    data = requested["data"]
    assert (data["text"], data["role"], data["step"], data["line"]) == ("Ship 2?", "admin", 1, 1)
    assert data["deadline"] == data["asked_at"] + 90 and data["allow_self"] is True
    assert approved["data"]["comment"] == "looks good"
    assert approved["data"]["by"] == stack.ended(id, token)["result"]
    assert approved["metadata"] == requested["metadata"]
    assert requested["metadata"]["correlation_id"] == id


def test_a_program_waits_for_an_approval_of_another_run(stack: Platform, token: str) -> None:
    waiting = stack.detach(
        """
        var got = parallel for type in ["approval.requested", "approval.rejected"] {
            return wait_event(type, where: {text: "May it rain?"}, timeout: "60s")
        }
        return [got[0].data.execution_id == got[1].data.execution_id, got[1].data.comment]
        """
    )
    wait_until(
        lambda: stack.request("GET", f"/executions/{waiting}", token=token)[2].get("status") == "waiting",
        60,
        "the run to wait",
    )
    id = stack.detach('approve("May it rain?", timeout: "90s")')
    opened(stack, id, token)
    decide(stack, id, token, "reject", comment="no umbrella")
    assert stack.ended(waiting, token)["result"] == [True, "no umbrella"]


def test_one_that_nobody_decides_expires_and_one_of_a_cancelled_run_is_withdrawn(
    stack: Platform, token: str
) -> None:
    late = stack.detach('approve("Ship?", timeout: "200ms", check: false)')
    gone = stack.detach('approve("Ship?")')
    opened(stack, gone, token)
    assert stack.request("POST", f"/executions/{gone}/cancel", token=token)[0] == 202
    assert stack.ended(late, token)["status"] == "complete"
    assert stack.ended(gone, token)["status"] == "cancelled"
    assert types(stack, late, token) == ["requested", "expired"]
    assert types(stack, gone, token) == ["requested", "withdrawn"]


def test_each_is_one_event_though_the_worker_is_killed_meanwhile(stack: Platform, token: str) -> None:
    """Killed around the moment at which it opens, and around that of the decision: before, between, after."""
    ids = []
    for pause in (0.0, 0.03, 0.1):
        ids.append(stack.detach(ASK))
        time.sleep(pause)
        stack.kill("worker")
        opened(stack, ids[-1], token)
        decide(stack, ids[-1], token)
        time.sleep(pause)
        stack.kill("worker")
    assert [stack.ended(id, token)["result"] for id in ids] == [True] * 3
    assert [types(stack, id, token) for id in ids] == [["requested", "approved"]] * 3


def test_one_that_is_open_over_continue_as_new_was_opened_once(stack: Platform, token: str) -> None:
    id = stack.detach(
        """
        return parallel for what in ["ask", "work"] {
            if what == "ask" { return approve("Ship?", timeout: "4m").approved }
            for n in range(110) { exec { true } }
        }
        """
    )
    wait_until(
        lambda: stack.request("GET", f"/executions/{id}/steps?limit=1", token=token)[2]["total"] > 100,
        120,
        "100 steps",
    )
    decide(stack, id, token)
    assert stack.ended(id, token)["result"] == [True, None]
    assert Counter(types(stack, id, token)) == {"requested": 1, "approved": 1}


def temporal(stack: Platform, *words: str) -> subprocess.CompletedProcess[str]:
    """The `temporal` command on this platform."""
    binary = str(Path(sys.executable).with_name("temporal"))
    command = [binary, "workflow", *words, "--address", f"127.0.0.1:{stack.temporal}"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def sent(stack: Platform, id: str) -> dict[str, Any]:
    """The first decision in a run's history, as the API sent it."""
    history = temporal(
        stack, "show", "-w", f"execution/{id}", "--output", "json", "--no-json-shorthand-payloads"
    ).stdout
    given: dict[str, Any] = next(
        json.loads(base64.b64decode(data))
        for data in re.findall(r'"data": *"([^"]+)"', history)
        if b'"signature":"' in base64.b64decode(data)
    )
    return given


def test_where_it_is_asked_for_only_what_the_api_has_signed_counts() -> None:
    with platform(CODEAI_APPROVALS_REQUIRE_API="true") as stack:
        token = stack.token
        first, second = (stack.detach('return approve("Ship?").by') for _ in range(2))
        opened(stack, first, token)
        opened(stack, second, token)
        bare = json.dumps({"step": 1, "by": "root", "via": "api"})
        to = ("-w", f"execution/{first}", "--name", "approve", "--input")
        refused = temporal(stack, "update", "execute", *to, bare)
        assert refused.returncode and "approvals.require_api" in refused.stderr
        assert temporal(stack, "signal", *to, bare).returncode == 0
        decide(stack, second, token)
        assert stack.ended(second, token)["status"] == "complete"
        # What the API has signed for one run is of no use for another.
        signed = sent(stack, second)
        assert signed["signature"]
        replayed = temporal(stack, "update", "execute", *to, json.dumps(signed))
        assert replayed.returncode and "signature is not the API's" in replayed.stderr
        assert temporal(stack, "signal", *to, json.dumps(signed)).returncode == 0
        opened(stack, first, token)
        assert stack.command("approve", first).returncode == 0
        assert stack.ended(first, token)["status"] == "complete"
        log = stack.command("logs", first).stderr
        assert log.count("the signal approve was not taken") == 2, log
        key = (stack.data / "approvals.key").read_text().strip()
        worker = Path(f"/proc/{stack.child('worker')}/environ").read_bytes().decode()
        assert key not in worker and "CODEAI_APPROVALS_PRIVATE_KEY" not in worker
