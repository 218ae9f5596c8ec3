"""`run`: another config as an execution of its own, which its parent can undo."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.platform import Platform, wait_until

CHILD = """
param file
param n = 1
param fails = false
exec { echo "made $n" >> "$file" } undo { echo "unmade $n" >> "$file" }
if fails { fail("no ${n}") }
return {n: n}
"""
RECURSIVE = 'param left\nreturn run("recursive", inputs: {left: left - 1})'


@pytest.fixture(scope="module")
def child(stack: Platform, token: str) -> str:
    for name, content in (("child", CHILD), ("recursive", RECURSIVE)):
        status, _, body = stack.request("POST", "/configs", {"name": name, "content": content}, token=token)
        assert status == 201, body
    return "child"


def children(stack: Platform, token: str, parent: str) -> list[dict[str, Any]]:
    """The executions that the steps of a run name, in their order."""
    _, _, steps = stack.request("GET", f"/executions/{parent}/steps?limit=100", token=token)
    lines = [step for step in steps["items"] if step["kind"] == "run"]
    _, _, listed = stack.request("GET", "/executions?limit=100", token=token)
    runs = [one for one in listed["items"] if one["config_id"] is not None]
    assert len(runs) >= len(lines)
    return sorted(runs[: len(lines)], key=lambda one: one["started_at"])


def test_a_run_that_waits_for_its_child_names_it(stack: Platform, token: str) -> None:
    waits = {"name": "waits", "content": 'approve("Go on?")'}
    assert stack.request("POST", "/configs", waits, token=token)[0] == 201
    parent = stack.detach('run("waits")')

    def child() -> str | None:
        pending = stack.request("GET", f"/executions/{parent}/state", token=token)[2].get("pending")
        return pending[0]["execution"] if pending else None

    id = wait_until(child, 60, "the child to begin")
    wait_until(lambda: stack.command("approve", id).returncode == 0, 60, "the child to ask")
    assert stack.ended(parent, token)["status"] == "complete"
    (step,) = stack.request("GET", f"/executions/{parent}/steps", token=token)[2]["items"]
    assert (step["id"], stack.ended(id, token)["status"]) == (id, "complete")


def test_a_failed_parent_compensates_its_children_last_first(stack: Platform, token: str, child: str) -> None:
    file = stack.folder / "children"
    ended = stack.run(
        f"""
        param file
        var all = [run("{child}", inputs: {{file: file, n: 1}}), run("{child}", inputs: {{file: file, n: 2}})]
        try {{
            run("{child}", inputs: {{file: file, n: 3, fails: true}})
        }} catch problem {{
            log(problem.kind + " " + problem.message)
        }}
        fail("enough: " + json_encode(all))
        """,
        *("-i", f"file={file}"),
    )
    assert (ended["status"], ended["error"]["message"]) == ("failed", 'enough: [{"n":1},{"n":2}]')
    assert file.read_text().splitlines() == [
        *("made 1", "made 2", "made 3", "unmade 3"),
        *("unmade 2", "unmade 1"),
    ]
    runs = children(stack, token, ended["execution_id"])
    assert [one["status"] for one in runs] == ["compensated", "compensated", "failed"]
    assert [one["result"] for one in runs] == [{"n": 1}, {"n": 2}, None]
    _, _, log = stack.request("GET", f"/executions/{ended['execution_id']}/logs", token=token)
    assert [line["text"] for line in log["items"]] == ["failed child: no 3\n"]


def test_what_a_child_cannot_begin_with_is_an_error_of_its_line(stack: Platform, child: str) -> None:
    ended = stack.run(f'try {{ run("nobody") }} catch e {{ log(e.kind) }}\nrun("{child}", inputs: {{n: 2}})')
    assert (ended["status"], ended["error"]["kind"], ended["error"]["line"]) == ("failed", "invalid_input", 2)
    assert 'the input "file" is required' in ended["error"]["message"]


def test_a_config_that_runs_itself_ends_by_the_limit(stack: Platform, child: str) -> None:
    ended = stack.run('return run("recursive", inputs: {left: 1})')
    assert (ended["status"], ended["error"]["kind"]) == ("failed", "limit")
    assert "does 'recursive' run itself?" in ended["error"]["message"]


def test_cancelling_a_parent_cancels_and_undoes_its_child(stack: Platform, token: str, child: str) -> None:
    file = stack.folder / "cancelled-child"
    waiting = 'param file\nexec { echo made >> "$file" } undo { echo unmade >> "$file" }\nexec { sleep 600 }'
    body = {"name": "waiting", "content": waiting}
    assert stack.request("POST", "/configs", body, token=token)[0] == 201
    id = stack.detach('param file\nrun("waiting", inputs: {file: file})', "-i", f"file={file}")
    wait_until(lambda: file.exists() and file.read_text() == "made\n", 60, "the child to be under way")
    assert stack.command("cancel", id).returncode == 0
    assert stack.ended(id, token)["status"] == "cancelled"
    assert file.read_text() == "made\nunmade\n"


def test_a_worker_killed_while_a_child_runs_repeats_nothing(stack: Platform, token: str, child: str) -> None:
    file = stack.folder / "killed-child"
    id = stack.detach(
        f"""
        param file
        var all = []
        for n in range(6) {{ all += [run("{child}", inputs: {{file: file, n: n}}).n] }}
        return all
        """,
        *("-i", f"file={file}"),
    )
    for made in (1, 3):
        wait_until(
            lambda made=made: file.exists() and len(file.read_text().splitlines()) >= made, 60, "a child"
        )
        stack.kill("worker")
    ended = stack.ended(id, token)
    assert (ended["status"], json.dumps(ended["result"])) == ("complete", "[0, 1, 2, 3, 4, 5]")
    assert file.read_text().splitlines() == [f"made {n}" for n in range(6)]
