"""Lanes, as users see them: one run at a time under a key, in order, whatever ends the one that has it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_events import temporal
from tests.platform import Platform, wait_until
from tests.soak.lanes import in_turn, turns

PROGRAM = """
param file
param n
param pause = 0.0
exec { echo "begin $n" >> "$file" } undo { sleep 0.3; echo "undone $n" >> "$file" }
exec(grace: "1s") { sleep "$pause"; echo "end $n" >> "$file" }
return n
"""
ENDED = ("complete", "failed", "cancelled", "compensated", "rejected")


class Lane:
    """A deployment, and what its runs did, in order."""

    def __init__(self, stack: Platform, token: str, name: str, **body: Any) -> None:
        self.stack, self.token, self.name = stack, token, name
        self.file = stack.folder / f"{name}.lane"
        _, _, config = self._ask("POST", "/configs", {"name": name, "content": PROGRAM})
        status, _, made = self._ask("POST", "/deployments", {"name": name, "config_id": config["id"], **body})
        assert status == 201, made
        self.id: str = made["id"]

    def items(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask("GET", path)[2]["items"]
        return found

    def start(self, n: int, pause: float = 0.0, wait: bool = False, file: Path | None = None) -> Any:
        inputs = {"file": str(file or self.file), "n": n, "pause": pause}
        asked = {"inputs": inputs, "wait": wait}
        status, _, body = self._ask("POST", f"/deployments/{self.name}/execute", asked)
        assert status in (200, 202), body
        return body if status == 200 else body["id"]

    def get(self, id: str) -> dict[str, Any]:
        status, _, body = self._ask("GET", f"/executions/{id}")
        assert status == 200, body
        found: dict[str, Any] = body
        return found

    def is_at(self, id: str, status: str) -> dict[str, Any]:
        def asked() -> dict[str, Any] | None:
            found = self.get(id)
            return found if found["status"] == status and "workflow_id" in found else None

        found: dict[str, Any] = wait_until(asked, 60, f"execution {id} to be {status}")
        return found

    def has_begun(self, n: int) -> None:
        wait_until(lambda: f"begin {n}" in self.did(), 60, f"run {n} to have begun")

    def did(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []

    def stop(self) -> list[str]:
        status, _, body = self._ask("POST", f"/deployments/{self.name}/stop")
        assert status == 202, body
        cancelled: list[str] = body["cancelled"]
        return cancelled

    def status(self) -> str:
        return str(self._ask("GET", f"/deployments/{self.name}")[2]["status"])

    def _ask(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], Any]:
        return self.stack.request(method, path, body, token=self.token)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    return iter(f"{request.node.name}-{number}" for number in itertools.count())


def test_runs_take_turns_in_the_order_of_their_starts(
    stack: Platform, token: str, name: Iterator[str]
) -> None:
    lane = Lane(stack, token, next(name))
    ids = [lane.start(0, pause=2.0)]
    lane.has_begun(0)
    for n in range(1, 4):
        ids.append(lane.start(n))
        said = lane.is_at(ids[n], "queued")["status_text"]
        assert said == f"number {n} in lane {lane.id}"
    assert lane.status() == "pending"  # its newest run is queued
    for id in ids:
        lane.is_at(id, "complete")
    assert lane.did() == [f"{what} {n}" for n in range(4) for what in ("begin", "end")]
    assert lane.status() == "complete"


def test_a_queued_run_that_is_cancelled_lets_the_next_one_pass(
    stack: Platform, token: str, name: Iterator[str]
) -> None:
    lane = Lane(stack, token, next(name))
    first = lane.start(0, pause=1.5)
    lane.has_begun(0)
    second, third = lane.start(1), lane.start(2)
    lane.is_at(second, "queued")
    stack.request("POST", f"/executions/{second}/cancel", token=token)
    assert lane.is_at(second, "cancelled")["error"]["kind"] == "cancelled"
    lane.is_at(third, "complete")
    assert lane.get(first)["status"] == "complete"
    assert lane.did() == ["begin 0", "end 0", "begin 2", "end 2"]


def test_what_is_said_to_a_queued_run_stands_in_its_log_and_the_audit_log(
    stack: Platform, token: str, name: Iterator[str]
) -> None:
    lane = Lane(stack, token, next(name))
    first = lane.start(0, pause=60)
    lane.has_begun(0)
    begins, ends = lane.start(1), lane.start(2)
    for id in (begins, ends):
        workflow_id = lane.is_at(id, "queued")["workflow_id"]
        stack.request("POST", f"/executions/{id}/pause", {"comment": "after lunch"}, token=token)
        bad = ("--workflow-id", workflow_id, "--name", "retry", "--input", '{"fibre": "x"}')
        temporal(stack, "workflow", "signal", *bad)
        temporal(stack, "workflow", "signal", "--workflow-id", workflow_id, "--name", "abrot\x1b[2J")
    stack.request("POST", f"/executions/{ends}/cancel", token=token)
    lane.is_at(ends, "cancelled")
    stack.request("POST", f"/executions/{first}/cancel", token=token)
    lane.is_at(begins, "paused")
    for id in (begins, ends):
        paused, refused, unknown = [line["text"] for line in lane.items(f"/executions/{id}/logs")][:3]
        assert paused.startswith("pause by ") and paused.endswith(": after lunch\n")
        assert refused.startswith("warn: the signal retry was not taken: fibre: ")
        assert (
            unknown == "warn: the signal 'abrot\\x1b[2J' was not taken: a run takes no signal of this name\n"
        )
        about = [one["action"] for one in lane.items("/audit?limit=100") if one["entity"].endswith(id)]
        assert {"pause", "retry"} <= set(about)
    stack.request("POST", f"/executions/{begins}/cancel", token=token)


def test_a_second_run_is_rejected_where_the_deployment_says_so(
    stack: Platform, token: str, name: Iterator[str]
) -> None:
    lane = Lane(stack, token, next(name), concurrency="reject")
    first = lane.start(0, pause=1.5)
    lane.has_begun(0)
    second = lane.start(1, wait=True)
    assert (second["status"], second["error"]["kind"]) == ("rejected", "rejected")
    assert first in second["error"]["message"]
    assert lane.status() == "stopped"
    lane.is_at(first, "complete")
    assert lane.start(2, wait=True)["status"] == "complete"


def test_a_run_replaces_all_before_it_when_they_have_undone_what_they_did(
    stack: Platform, token: str, name: Iterator[str]
) -> None:
    key = next(name)
    waiting = Lane(stack, token, f"{key}-waiting", concurrency_key=key)
    replacing = Lane(stack, token, f"{key}-replacing", concurrency_key=key, concurrency="replace")
    replacing.file = waiting.file
    first = waiting.start(0, pause=60)
    waiting.has_begun(0)
    second = waiting.start(1)
    waiting.is_at(second, "queued")
    third = replacing.start(2)
    assert replacing.is_at(third, "complete")["error"] is None
    assert [waiting.get(id)["status"] for id in (first, second)] == ["cancelled", "cancelled"]
    assert waiting.did() == ["begin 0", "undone 0", "begin 2", "end 2"]


def test_runs_go_on_beside_each_other_where_the_deployment_says_so(
    stack: Platform, token: str, name: Iterator[str]
) -> None:
    lane = Lane(stack, token, next(name), concurrency="parallel")
    first = lane.start(0, pause=60)
    lane.has_begun(0)
    assert lane.start(1, wait=True)["status"] == "complete"
    assert lane.stop() == [first]
    lane.is_at(first, "cancelled")


def test_a_run_is_compensated_when_it_is_its_turn(stack: Platform, token: str, name: Iterator[str]) -> None:
    lane = Lane(stack, token, next(name))
    first = lane.start(0, wait=True)["execution_id"]
    lane.start(1, pause=2.0)
    lane.has_begun(1)
    status, _, answer = stack.request("POST", f"/executions/{first}/compensate", {"wait": True}, token=token)
    assert (status, answer["status"]) == (200, "compensated"), answer
    assert lane.did() == ["begin 0", "end 0", "begin 1", "end 1", "undone 0"]


def test_stop_cancels_what_runs_and_what_waits(stack: Platform, token: str, name: Iterator[str]) -> None:
    lane = Lane(stack, token, next(name))
    ids = [lane.start(0, pause=60)]
    lane.has_begun(0)
    ids += [lane.start(n) for n in (1, 2)]
    for id in ids[1:]:
        lane.is_at(id, "queued")
    assert sorted(lane.stop()) == sorted(ids)
    for id in ids:
        lane.is_at(id, "cancelled")
    assert lane.did() == ["begin 0", "undone 0"]
    assert lane.status() == "stopped"


def test_a_lane_that_is_terminated_never_runs_two_and_forgets_nobody(
    stack: Platform, token: str, name: Iterator[str]
) -> None:
    lane = Lane(stack, token, next(name))
    first = lane.start(0, pause=4)
    lane.has_begun(0)
    second = lane.start(1)
    lane.is_at(second, "queued")
    ended = temporal(stack, "workflow", "terminate", "--workflow-id", f"lane/{lane.id}")
    assert "terminate" in ended.lower()
    third = lane.start(2)
    assert lane.is_at(third, "queued")
    for id in (first, second, third):
        lane.is_at(id, "complete")
    assert lane.did() == [f"{what} {n}" for n in range(3) for what in ("begin", "end")]


def test_a_lane_survives_its_worker_and_temporal(stack: Platform) -> None:
    """The soak `lanes` in small."""
    kills = threading.Timer(1.0, stack.kill, ["worker"]), threading.Timer(6.0, stack.kill, ["temporal"])
    for one in kills:
        one.start()
    assert in_turn(stack, 8, 120) == turns(8)
    for one in kills:
        one.join()
