"""Workers with a build id: runs stay with their build, go on with the current one when they continue as new, and are
not left alone when `codeai up` is all that there is. Breaks if an upgrade hands a run to code that it was not begun
with, or leaves it standing."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from codeai.stack.temporal import find_binary
from tests.platform import Platform, platform, wait_until

ASKS = 'approve("go on?")\nreturn exec { echo done }\n'
COUNTS = 'approve("begin?")\nfor i in range(40) { sleep("10ms") }\napprove("go on?")\nreturn 40\n'
"""Between its approvals it continues as new, with a budget of a few events."""


@pytest.fixture(scope="module")
def builds() -> Iterator[Platform]:
    with platform("--no-worker", CODEAI_WORKER_SOFT_EVENTS="60") as running:
        yield running


def temporal(running: Platform, *words: str) -> Any:
    at = ("--address", f"127.0.0.1:{running.temporal}", "--output", "json")
    done = subprocess.run([find_binary(), *words, *at], capture_output=True, text=True, check=True)
    return json.loads(done.stdout or "null")


def current(running: Platform) -> str:
    known = temporal(running, "worker", "deployment", "list")
    return "".join(one["routingConfig"]["currentVersionBuildID"] for one in known)


def build_of(running: Platform, execution: str) -> str:
    """The build that the newest workflow run of an execution is pinned to; empty without one."""
    told = temporal(running, "workflow", "describe", "--workflow-id", f"execution/{execution}")
    versioning = told["workflowExecutionInfo"].get("versioningInfo", {})
    return str(versioning.get("deploymentVersion", {}).get("buildId", ""))


def asking(running: Platform, execution: str) -> None:
    """Waits for the run to ask for its approval."""

    def asks() -> bool:
        done = running.command("executions", "show", execution, "--output", "json")
        return bool(json.loads(done.stdout)["status"] == "waiting")

    wait_until(asks, 60, f"the approval of {execution}")


def approved(running: Platform, execution: str) -> dict[str, Any]:
    done = running.command("approve", execution)
    assert done.returncode == 0, done.stderr
    return running.ended(execution, running.token)


def test_a_run_stays_with_its_build_until_it_continues_as_new(builds: Platform) -> None:
    with ExitStack() as workers:

        def worker(*words: str) -> subprocess.Popen[bytes]:
            started = builds.worker(*words)
            workers.callback(started.wait)
            workers.callback(started.terminate)
            return started

        worker("exec")
        one = worker("workflows", "--build-id", "one")
        wait_until(lambda: current(builds) == "one", 30, "the first build to be the current one")
        first = builds.detach(ASKS)
        asking(builds, first)

        two = worker("workflows", "--build-id", "two")
        version = ("--deployment-name", "codeai", "--build-id", "two", "--yes")
        wait_until(
            lambda: "two" in str(temporal(builds, "worker", "deployment", "describe", "--name", "codeai")),
            30,
            "the second build",
        )
        assert current(builds) == "one", "a second build takes no new runs by itself"
        goes_on = builds.detach(COUNTS)
        asking(builds, goes_on)
        temporal(builds, "worker", "deployment", "set-current-version", *version)
        builds.command("approve", goes_on)
        wait_until(lambda: build_of(builds, goes_on) == "two", 60, "the run to go on with the new build")
        asking(builds, goes_on)
        second = builds.detach(ASKS)
        asking(builds, second)
        assert [build_of(builds, id) for id in (first, second, goes_on)] == ["one", "two", "two"]
        one.kill()
        two.kill()

    early = builds.command("approve", first)
    assert early.returncode == 0 and "accepted" in early.stdout, early.stdout + early.stderr
    builds.command("down")
    builds.up()
    early = builds.command("approve", second)
    assert early.returncode == 0 and "accepted" in early.stdout, early.stdout + early.stderr
    log = builds.data / "logs" / "up.log"
    wait_until(
        lambda: "without a worker go on with this one: " in log.read_text(),
        60,
        "the runs of builds that are gone",
    )
    assert "looked for again" not in log.read_text()
    for id in (first, second):  # a decision that waited for a worker has one now
        assert builds.ended(id, builds.token)["status"] == "complete"
    assert approved(builds, goes_on)["status"] == "complete"
