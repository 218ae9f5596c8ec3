"""Looking into a run over many workflow runs, with a worker and after the last one has gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.platform import Platform, platform, wait_until

PROGRAM = """param rounds = 40
var done = []
function named(n) {
    return "round ${n}"
}
for n in range(rounds) {
    var text = named(n)
    var out = exec { echo "$text" }
    done = append(done, out.stdout)
}
var sums = parallel(limit: 2) for part in [1, 2, 3] {
    var twice = exec { echo $((part * 2)) } undo { echo "undo $part" }
    return int(twice.stdout)
}
try { exec { echo gone >&2; exit 3 } } catch e { log("warn", e.message) }
exec { echo keep } undo { echo "undone $CODEAI_STEP_STDOUT" }
fail("${len(done)} rounds, sums ${sums}")
"""


@pytest.fixture(scope="module")
def looked_at() -> Iterator[Platform]:
    """A platform whose workers come and go; long programs continue as new several times."""
    settings = {"CODEAI_WORKER_SOFT_EVENTS": "60", "CODEAI_WORKER_HARD_EVENTS": "300"}
    with platform("--no-worker", **settings) as running:
        yield running


def trace(stack: Platform, id: str, **query: Any) -> dict[str, Any]:
    words = [word for name, value in query.items() for word in (f"--{name}", str(value))]
    done = stack.command("trace", id, "--limit", "1000", "--output", "json", *words)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_run_is_looked_into_when_its_workers_have_gone(looked_at: Platform) -> None:
    token = looked_at.token
    worker = looked_at.worker()
    failed = looked_at.run(PROGRAM)
    id = failed["execution_id"]
    assert failed["status"] == "failed", failed
    waiting = looked_at.detach('var a = exec { echo "$n" }\nsleep("1h")\n')
    wait_until(
        lambda: looked_at.request("GET", f"/executions/{waiting}", token=token)[2]["status"] == "waiting",
        60,
        "the second run to wait",
    )
    running = trace(looked_at, waiting)
    assert [item["kind"] for item in running["items"]] == ["ask", "answer", "ask"]
    worker.terminate()
    worker.wait(60)

    found = trace(looked_at, id)
    items = found["items"]
    assert (found["complete"], found["cut"], found["status"]) == (True, None, "failed")
    assert len(found["runs"]) > 2
    at_end = next(at for at, item in enumerate(items) if item["kind"] == "error")
    assert items[at_end]["error"]["message"] == failed["error"]["message"]
    assert failed["error"]["message"] == "40 rounds, sums [2,4,6]"

    _, _, steps = looked_at.request("GET", f"/executions/{id}/steps?limit=100", token=token)
    execs = [step for step in steps["items"] if step["kind"] == "exec"]
    asked = [
        (item["step"], item["line"]) for item in items if item.get("name") == "exec" and item["kind"] == "ask"
    ]
    assert asked == [(step["seq"], step["line"]) for step in execs]
    undone = [step for step in steps["items"] if step["kind"] == "undo"]
    told = [
        (item["kind"], item["step"], item["line"], item["text"], item["value"])
        for item in items[at_end + 1 :]
    ]
    assert told == [("undo", step["seq"], step["line"], step["command"], step["stdout"]) for step in undone]
    assert undone[0]["stdout"] == "undone keep" and len(undone) == 4
    assert sorted(item.get("variables", {}).get("part", "") for item in items[at_end + 1 :]) == [
        "",
        "1",
        "2",
        "3",
    ]
    values = {item["step"]: item.get("value") for item in items if item["kind"] == "answer"}
    assert [values[step["seq"]] for step in execs if step["status"] == "succeeded"] == [
        step["stdout"] for step in execs if step["status"] == "succeeded"
    ]
    caught = next(item for item in items if item["kind"] == "caught")
    assert caught["error"]["stderr"] == "gone"

    parts = [trace(looked_at, id, run=part)["items"] for part in found["runs"]]
    assert [one["kind"] for part in parts for one in part] == [one["kind"] for one in items]
    loop = next(item for item in items if item["kind"] == "loop" and item["changed"][0]["after"] == 20)
    view = trace(looked_at, id, at=loop["index"])["view"]
    assert len(view["fibres"][0]["variables"]["done"]) == 20

    shown = looked_at.command("trace", id, "--back", "--limit", "5")
    assert shown.stdout.splitlines()[0].strip().startswith(str(found["total"])), shown.stdout
    assert "failed: 40 rounds" in shown.stdout
    state = looked_at.command("state", id)
    assert "as of" in state.stdout and "fail(" in state.stdout and "= [2, 4, 6]" in state.stdout, state.stdout

    for word in ("state", "trace"):
        refused = looked_at.command(word, waiting)
        assert refused.returncode == 1 and "no worker answers" in refused.stderr


def test_what_a_child_was_given_and_how_a_cancel_went_is_in_the_trace(looked_at: Platform) -> None:
    token = looked_at.token
    worker = looked_at.worker()
    try:
        child = looked_at.write(
            "child.cai", "param built\nparam n\nreturn [built.exit_code, type(built), n]\n"
        )
        assert looked_at.command("configs", "create", "child", str(child)).returncode == 0
        parent = looked_at.run(
            'var b = exec { echo v1 }\nsleep("10ms")\nreturn run("child", inputs: {built: b, n: 2.0})\n'
        )
        assert parent["result"] == [0, "exec", 2.0], parent
        last = trace(looked_at, parent["execution_id"])
        assert (last["complete"], last["items"][-1]["value"]) == (True, parent["result"])
        _, _, newest = looked_at.request("GET", "/executions?limit=1", token=token)
        given = trace(looked_at, newest["items"][0]["id"])
        assert (given["complete"], given["items"][-1]["value"]) == (True, parent["result"])
        assert given["items"][0]["changed"] == [{"name": "built", "after": "v1"}]

        id = looked_at.detach(
            'parallel for x in [1, 2] {\n    if x == 1 { approve("go?") }\n    exec { sleep 60 } undo { echo }\n}\n'
        )
        asked = f"/executions/{id}/steps"
        wait_until(
            lambda: len(looked_at.request("GET", asked, token=token)[2]["items"]) == 2, 60, "both to wait"
        )
        assert looked_at.command("cancel", id).returncode == 0
        assert looked_at.ended(id, token)["status"] == "cancelled"
        cancelled = trace(looked_at, id)
        assert (cancelled["complete"], cancelled["cut"]) == (True, None)
        kinds = [(item["kind"], item["fibre"]) for item in cancelled["items"][-5:]]
        assert kinds[0] == ("cancel", 1) and sorted(kinds[1:3]) == [("cancelled", 2), ("cancelled", 3)]
        assert kinds[3:] == [("cancelled", 1), ("undo", 1)]
    finally:
        worker.terminate()
        worker.wait(60)
