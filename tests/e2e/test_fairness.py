"""Runs that wait for a host are taken in turns by deployment. Breaks if one deployment's hundred runs hold up another's
first."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from codeai.stack.temporal import find_binary
from tests.platform import Platform, platform, wait_until

MANY = 40


def executed(running: Platform, deployment: str, token: str) -> str:
    status, _, body = running.request("POST", f"/deployments/{deployment}/execute", {}, token=token)
    assert status == 202, body
    return str(body["id"])


def deployed(running: Platform, name: str, token: str) -> str:
    body = {"name": name, "content": "return 1\n"}
    _, _, config = running.request("POST", "/configs", body, token=token)
    body = {"name": name, "config_id": config["id"], "concurrency": "parallel"}
    status, _, made = running.request("POST", "/deployments", body, token=token)
    assert status == 201, made
    return str(made["id"])


def claims(running: Platform, execution: str) -> dict[str, Any]:
    """Its question for a host, and when one took it; nothing before it has asked."""
    words = ("workflow", "show", "--workflow-id", f"execution/{execution}", "--output", "json")
    told = subprocess.run(
        [find_binary(), *words, "--address", f"127.0.0.1:{running.temporal}"],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = {}
    for event in json.loads(told.stdout)["events"]:
        asked = event.get("activityTaskScheduledEventAttributes", {})
        if asked.get("activityType", {}).get("name") == "claim_host":
            found = {"id": event["eventId"]}
        taken = event.get("activityTaskStartedEventAttributes", {})
        if found and taken.get("scheduledEventId") == found["id"]:
            found["taken"] = event["eventTime"]
    return found


def test_the_run_of_another_deployment_waits_for_few_of_the_many_before_it() -> None:
    with platform("--no-worker") as running:
        workflows = running.worker("workflows")
        try:
            token = running.token
            many, single = (deployed(running, name, token) for name in ("many", "single"))
            before = [executed(running, many, token) for _ in range(MANY)]
            for id in before:
                wait_until(lambda id=id: claims(running, id), 60, "the many to ask for a host")
            other = executed(running, single, token)
            wait_until(lambda: claims(running, other), 60, "the other to ask for a host")
            hosts = running.worker("exec")
            try:
                for id in (*before, other):
                    running.ended(id, token)
            finally:
                hosts.terminate()
                hosts.wait()
            late, taken = claims(running, other), [claims(running, id) for id in before]
        finally:
            workflows.terminate()
            workflows.wait()
    assert sum(one["taken"] < late["taken"] for one in taken) < MANY / 2
