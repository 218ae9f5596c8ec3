"""`codeai patch`: a run goes on with an edited program, nothing twice, whoever dies meanwhile; also by `temporal`."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from tests.cli.test_parked import PARK, at
from tests.e2e.test_events import temporal
from tests.e2e.test_secrets import keep
from tests.platform import Platform, wait_until

pytestmark = pytest.mark.stack

TYPO = """\
param n = 2
exec { echo once >> made; cat made } undo { echo unmade }
var said = exec { ehco "$n" }
return str(said)
"""
MENDED = """\
param n = 2

# mended
exec { echo once >> made; cat made } undo { echo unmade }
var tag = "v${n}"
var said = exec { echo "$tag"; cat made }
exec { echo later } undo { echo "not $tag" }
return lines(said)
"""


def steps(stack: Platform, id: str) -> list[tuple[Any, ...]]:
    told = json.loads(stack.command("executions", "steps", id, "--output", "json").stdout)["items"]
    return [(one["seq"], one["line"], one["status"]) for one in told]


def test_a_typo_is_mended_and_nothing_runs_twice_though_the_worker_dies(stack: Platform) -> None:
    file = stack.write("patched/release.cai", TYPO)
    done = stack.command("run", str(file), *PARK, "--no-wait-parked")
    assert done.returncode == 3, done.stderr
    (typed,) = (line.split() for line in done.stderr.splitlines() if " patch " in line)
    assert (typed[:2], typed[3:]) == (["codeai", "patch"], ["FILE"])
    id = typed[2]
    file.write_text(MENDED.replace("echo once", "echo twice"))
    wrong = stack.command("patch", id, str(file))
    assert wrong.returncode == 1 and "line 2 has run, and is changed" in wrong.stderr, wrong.stderr
    file.write_text(MENDED.replace("lines(said)", "lines(sadi)"))
    invalid = stack.command("patch", id, str(file))
    assert invalid.returncode == 2 and "sadi" in invalid.stderr
    worker = stack.child("worker")
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: stack.child("worker") != worker, 60, "another worker")
    file.write_text(MENDED)
    told = stack.command("patch", id, str(file), "--comment", "a typo").stdout
    assert told.startswith((f"running: {id}", f"accepted: {id}"))  # as soon as the worker answers
    assert at(stack, id, "complete")["result"] == ["v2", "once"]
    assert steps(stack, id) == [
        (1, 2, "succeeded"),
        (2, 3, "failed"),
        (3, 6, "succeeded"),
        (4, 7, "succeeded"),
    ]
    trace = json.loads(stack.command("trace", id, "--output", "json").stdout)
    assert trace["complete"] and trace["cut"] is None
    sources = {one["step"]: one["source"] for one in trace["items"] if one["kind"] == "ask"}
    assert sources[2] == 'var said = exec { ehco "$n" }' and sources[4].startswith("exec { echo later }")
    assert ", line 3: a typo" in stack.command("logs", id).stderr


def test_a_failed_run_goes_on_with_an_edited_program(stack: Platform) -> None:
    file = stack.write("patched/failed.cai", TYPO)
    done = stack.command("run", str(file), "--failure-policy", "fail", "-i", "n:=3")
    assert done.returncode == 1
    (typed,) = (line.split() for line in done.stderr.splitlines() if " patch " in line)
    file.write_text(MENDED)
    done = stack.command("patch", typed[2], str(file))
    assert done.returncode == 0, done.stderr
    assert '["v3", "once"]' in done.stdout
    assert at(stack, typed[2], "complete")["result"] == ["v3", "once"]
    trace = json.loads(stack.command("trace", typed[2], "--output", "json").stdout)
    assert trace["complete"] and trace["cut"] is None
    again = stack.command("patch", typed[2], str(file))
    assert again.returncode == 1 and "nothing of it has failed" in again.stderr
    assert stack.command("compensate", typed[2]).returncode == 0
    undone = [
        one["command"]
        for one in json.loads(stack.command("executions", "steps", typed[2], "--output", "json").stdout)[
            "items"
        ]
        if one["kind"] == "undo"
    ]
    assert [one.strip() for one in undone] == ['echo "not $tag"', "echo unmade"]


def parked_by_its_patch(stack: Platform, name: str) -> str:
    """A run that went on with another program, and has parked at the last line of that."""
    id = stack.detach(TYPO, *PARK)
    at(stack, id, "parked")
    file = stack.write(f"patched/{name}.cai", MENDED.replace("return lines(said)", 'fail("after all")'))
    assert stack.command("patch", id, str(file)).returncode == 0
    parked_again = "parked at line 8"
    wait_until(lambda: parked_again in stack.command("logs", id).stderr, 60, parked_again)
    return id


def test_an_undo_block_is_shown_with_the_line_of_the_program_that_it_is_of(stack: Platform) -> None:
    id = parked_by_its_patch(stack, "fails")
    assert stack.command("rollback", id).returncode == 0
    at(stack, id, "failed")
    items = json.loads(stack.command("trace", id, "--output", "json").stdout)["items"]
    undone = [one for one in items if one["kind"] == "undo"]
    assert [(one["line"], one["source"]) for one in undone] == [
        (7, MENDED.splitlines()[6]),
        (2, TYPO.splitlines()[1]),
    ]
    stacks = []
    for number in (items[-3]["index"], *(one["index"] for one in undone)):
        seen = json.loads(stack.command("trace", id, "--at", str(number), "--output", "json").stdout)
        stacks.append([(one["step"], one["line"]) for one in seen["view"]["undo"]])
    assert stacks == [[(1, 2), (4, 7)], [(1, 2)], []]


def test_so_it_is_in_the_trace_of_a_later_workflow_run(stack: Platform) -> None:
    id = parked_by_its_patch(stack, "fails_later")
    assert stack.command("abort", id).returncode == 0
    at(stack, id, "failed")
    assert stack.command("compensate", id).returncode == 0
    for words in ((), ("--run", "2")):
        items = json.loads(stack.command("trace", id, *words, "--output", "json").stdout)["items"]
        assert [(one["line"], one["source"]) for one in items if one["kind"] == "undo"] == [
            (7, MENDED.splitlines()[6]),
            (2, TYPO.splitlines()[1]),
        ]


def test_a_run_that_was_undone_is_not_patched(stack: Platform) -> None:
    file = stack.write("patched/undone.cai", TYPO)
    done = stack.command("run", str(file), "--output", "json")
    assert done.returncode == 1
    refused = stack.command("patch", json.loads(done.stdout)["execution_id"], str(file))
    assert refused.returncode == 1 and "undo blocks of execution" in refused.stderr


def test_temporal_patches_a_run_with_the_same_checks(stack: Platform) -> None:
    id = stack.detach(TYPO, *PARK)
    at(stack, id, "parked")
    to = ("--workflow-id", f"execution/{id}", "--name", "patch", "--input")
    temporal(stack, "workflow", "signal", *to, json.dumps({"program": "return 1", "by": "ann"}))
    temporal(stack, "workflow", "signal", *to, json.dumps({"program": 1}))

    temporal(stack, "workflow", "update", "execute", *to, json.dumps({"program": MENDED, "by": "ann"}))
    assert at(stack, id, "complete")["result"] == ["v2", "once"]
    log = stack.command("logs", id).stderr
    assert log.count("the signal patch was not taken") == 2 and "line 1 has run, and is changed" in log
    assert "patch by ann (by temporal), line 3" in log


def test_a_run_patched_by_who_may_not_use_secrets_opens_none_any_more(stack: Platform) -> None:
    given = f'var s = secret("{keep(stack, "of others")}")\nfail("stop")\n'
    id = stack.detach(given, *PARK)
    at(stack, id, "parked")
    editor = stack.command("token", "create", "--role", "editor").stdout.strip()
    edited = given.replace('fail("stop")', 'exec { echo "$s" > got }')
    status, _, told = stack.request("POST", f"/executions/{id}/patch", {"program": edited}, token=editor)
    assert status == 200, told
    again = "parked at line 2: "
    wait_until(lambda: stack.command("logs", id).stderr.count(again) == 2, 60, "the run to park again")
    error = json.loads(stack.command("state", id, "--output", "json").stdout)["fibres"][0]["error"]
    assert "secrets:use" in error["message"], error
    assert not list((stack.data / "workspaces").rglob("got"))


@pytest.mark.parametrize("most", [1, 2], ids=["all fibres parked", "one parked, one over"])
def test_the_fibres_of_a_parallel_go_on_with_an_edited_program(stack: Platform, most: int) -> None:
    program = f"""\
return parallel for n in [1, 2] {{
    exec {{ echo $n >> made }}
    exec {{ [ $n -lt {most} ] }}
    return lines(exec {{ sort made }})
}}
"""
    id = stack.detach(program, *PARK)
    at(stack, id, "parked")
    file = stack.write("patched/parallel.cai", program.replace(f"-lt {most}", "-lt 3"))
    done = stack.command("patch", id, str(file))
    assert done.returncode == 0, done.stderr
    assert at(stack, id, "complete")["result"][1] == ["1", "2"]
