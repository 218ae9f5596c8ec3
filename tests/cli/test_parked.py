"""Parked runs by the command line and by `temporal`: said where they stand, mended, gone on with, also over deaths."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_events import temporal
from tests.platform import Platform, wait_until

pytestmark = pytest.mark.stack

DEPLOYS = """\
var version = "bad"
exec { echo made } undo { echo unmade }
var said = exec {
    echo "$CODEAI_ATTEMPT $version"
    [ "$version" = good ] || { echo "no $version" >&2; exit 3; }
} undo { echo undone }
return str(said)
"""
PARK = ("--failure-policy", "park")


def at(stack: Platform, id: str, status: str) -> dict[str, Any]:
    """The run as soon as it is there."""

    def there() -> dict[str, Any] | None:
        done = stack.command("executions", "show", id, "--output", "json")
        shown: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
        return shown if shown.get("status") == status else None

    found: dict[str, Any] = wait_until(there, 60, f"{id} to be {status}")
    return found


def test_a_parked_run_says_what_can_be_typed_and_goes_on(stack: Platform) -> None:
    file = stack.write("parked/a.cai", DEPLOYS)
    done = stack.command("run", str(file), *PARK, "--no-wait-parked")
    assert done.returncode == 3, done.stderr
    assert "parked at line 3: the command ended with exit code 3: no bad" in done.stderr
    (typed,) = (line.split() for line in done.stderr.splitlines() if " set " in line)
    assert typed[:2] == ["codeai", "set"] and typed[3] == "version=TEXT"
    id = typed[2]
    wrong = stack.command("set", id, "nothing=1")
    assert wrong.returncode == 1 and "there are: version" in wrong.stderr
    assert stack.command("set", id, "version=good", "--comment", "a slip").returncode == 0
    assert stack.command("retry", id).stdout == f"running: {id}\n"
    assert at(stack, id, "complete")["result"] == "2 good"
    steps = json.loads(stack.command("executions", "steps", id, "--output", "json").stdout)["items"]
    assert [(one["seq"], one["attempt"], one["status"]) for one in steps] == [
        (1, 1, "succeeded"),
        (2, 2, "succeeded"),
    ]
    trace = json.loads(stack.command("trace", id, "--output", "json").stdout)
    assert trace["complete"] and trace["cut"] is None

    def refused() -> bool:
        """As soon as what other tests left parked is rolled back."""
        done = stack.command("rollback")
        return done.returncode == 1 and done.stderr == "codeai: no run is parked\n"

    wait_until(refused, 60, "no run to be parked")


def test_who_follows_a_parked_run_is_told_once_what_can_be_typed(stack: Platform) -> None:
    """Until something is said to it; what else is asked of the API meanwhile does not cut what is followed."""
    follower = stack.start("run", str(stack.write("parked/b.cai", DEPLOYS)), *PARK)
    assert follower.stderr is not None
    said: list[str] = []

    def told(words: str) -> list[str]:
        """What comes until a line has these words."""
        begin = len(said)
        assert follower.stderr is not None
        while not said[begin:] or words not in said[-1]:
            said.append(follower.stderr.readline())
            assert said[-1], "".join(said)
        return said[begin:]

    id = next(line.split()[2] for line in told("codeai abort ") if " set " in line)
    for _ in range(3):
        at(stack, id, "parked")
    assert stack.command("retry", id).returncode == 0
    assert sum(line.startswith("parked at line 3: ") for line in told("codeai abort ")) == 1
    assert stack.command("rollback", id).returncode == 0
    _, rest = follower.communicate(timeout=60)
    assert follower.returncode == 1 and "parked at line 3:" not in rest, rest


def test_a_parked_run_outlives_its_worker_and_is_told_by_temporal(stack: Platform) -> None:
    id = stack.detach(DEPLOYS, *PARK)
    at(stack, id, "parked")
    worker = stack.child("worker")
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: stack.child("worker") != worker, 60, "another worker")
    to = ("--workflow-id", f"execution/{id}")
    value = json.dumps({"name": "version", "value": "good", "by": "ann"})
    temporal(stack, "workflow", "signal", *to, "--name", "set", "--input", value)
    temporal(stack, "workflow", "update", "execute", *to, "--name", "retry", "--input", '{"by": "ann"}')
    assert at(stack, id, "complete")["result"] == "2 good"
    log = stack.command("logs", id).stderr
    assert "set by ann (by temporal), line 3, fibre 1, name version" in log


def test_a_rollback_undoes_and_an_abort_keeps_what_can_be_undone(stack: Platform) -> None:
    id = stack.detach(DEPLOYS, *PARK)
    at(stack, id, "parked")
    assert stack.command("rollback", id, "--comment", "not today").returncode == 0
    at(stack, id, "failed")
    assert stack.command("logs", id).stdout.splitlines()[-2:] == ["undone", "unmade"]
    refused = stack.command("retry", id)
    assert refused.returncode == 1 and "undo blocks" in refused.stderr
    id = stack.detach(DEPLOYS, *PARK)
    at(stack, id, "parked")
    assert stack.command("abort", id).returncode == 0
    at(stack, id, "failed")
    assert "unmade" not in stack.command("logs", id).stdout
    assert stack.command("compensate", id).returncode == 0
    assert "unmade" in stack.command("logs", id).stdout


def test_a_failed_run_goes_on_at_its_failed_statement(stack: Platform, tmp_path: Path) -> None:
    """It is the one that is meant where no id is given: an older one that is parked is left alone."""
    older = stack.detach(DEPLOYS, *PARK)
    at(stack, older, "parked")
    mended = tmp_path / "mended"
    program = (
        f'exec {{ echo once }}\nexec {{ [ -e {mended} ]; echo "attempt $CODEAI_ATTEMPT" }}\nreturn "done"\n'
    )
    id = stack.detach(program, "--failure-policy", "fail")
    at(stack, id, "failed")
    mended.touch()
    done = stack.command("retry")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["attempt 2", '"done"']
    at(stack, older, "parked")
    assert stack.command("rollback", older).returncode == 0
    assert stack.command("logs", id).stdout.splitlines() == ["once", "attempt 2"]
