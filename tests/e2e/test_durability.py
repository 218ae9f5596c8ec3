"""Kill any process at any moment: nothing is lost, nothing runs twice, the program goes on where it stood."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from codeai.activities.shell.formats import with_marks
from tests.e2e.histories import histories
from tests.platform import Platform, wait_until

COUNTING = """
param file
param steps = 12
param pause = "0.3"
var n = 0
while n < steps {
    exec { echo "begin $n" >> "$file"; sleep "$pause"; echo "end $n" >> "$file"; echo "step $n" }
    n += 1
}
return n
"""


def effects(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def once_each(steps: int) -> list[str]:
    return [line for n in range(steps) for line in (f"begin {n}", f"end {n}")]


def test_killing_the_worker_in_mid_command_repeats_no_command(stack: Platform, token: str) -> None:
    file = stack.folder / "killed-worker"
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    id = stack.detach(COUNTING, "-i", f"file={file}")
    for _ in range(4):
        seen = len(effects(file))
        wait_until(lambda seen=seen: len(effects(file)) > seen, 60, "the program to go on")
        time.sleep(chance.uniform(0, 0.5))
        stack.kill("worker")
    ended = stack.ended(id, token)
    assert (ended["status"], ended["result"]) == ("complete", 12), (seed, ended)
    assert effects(file) == once_each(12), seed
    status, _, steps = stack.request("GET", f"/executions/{id}/steps?limit=100", token=token)
    assert status == 200
    assert [(step["seq"], step["status"], step["attempt"]) for step in steps["items"]] == [
        (n + 1, "succeeded", 1) for n in range(12)
    ]
    status, _, log = stack.request("GET", f"/executions/{id}/logs?limit=100", token=token)
    assert [line["text"] for line in log["items"]] == [f"step {n}\n" for n in range(12)]


@pytest.mark.parametrize("child", ["temporal", "postgres"])
def test_killing_a_server_loses_and_repeats_nothing(stack: Platform, token: str, child: str) -> None:
    file = stack.folder / f"killed-{child}"
    id = stack.detach(COUNTING, "-i", f"file={file}", "-i", "steps=8")
    wait_until(lambda: len(effects(file)) > 3, 60, "the program to be under way")
    stack.kill(child)
    ended = stack.ended(id, token)
    assert (ended["status"], ended["result"]) == ("complete", 8)
    assert effects(file) == once_each(8)


def test_requests_while_postgres_is_down_are_kept_or_refused_clearly(stack: Platform, token: str) -> None:
    names = [f"kept-{n}-{time.time_ns()}" for n in range(6)]
    accepted: list[str] = []
    for number, name in enumerate(names):
        if number == 1:
            stack.kill("postgres")
        status, headers, body = stack.request(
            "POST", "/configs", {"name": name, "content": "return 1"}, token=token
        )
        assert status in (201, 202, 503), body
        if status == 503:
            assert body["code"] and headers.get("Retry-After")
        else:
            accepted.append(name)
    assert accepted

    def all_there() -> bool:
        status, _, body = stack.request("GET", "/configs?limit=100", token=token)
        return status == 200 and set(accepted) <= {config["name"] for config in body["items"]}

    wait_until(all_there, 60, "every accepted config to be readable")


def test_a_loop_of_execs_continues_as_new_under_kills(stack: Platform, token: str) -> None:
    file = stack.folder / "long"
    id = stack.detach(COUNTING, "-i", f"file={file}", "-i", "steps=150", "-i", "pause=0")
    for goal in (60, 200):
        wait_until(lambda goal=goal: len(effects(file)) > goal, 120, f"{goal} effects")
        stack.kill("worker")
    ended = stack.ended(id, token)
    assert (ended["status"], ended["result"]) == ("complete", 150)
    assert effects(file) == once_each(150)
    status, _, progress = stack.request("GET", f"/executions/{id}/state", token=token)
    assert status == 200 and progress


def test_an_endless_loop_ends_by_its_limit_and_disturbs_nobody(stack: Platform, token: str) -> None:
    endless = stack.detach("while true { }")
    other = stack.run("var n = 0\nwhile n < 5 { exec { true } n += 1 }\nreturn n")
    assert (other["status"], other["result"]) == ("complete", 5)
    ended = stack.ended(endless, token)
    assert (ended["status"], ended["error"]["kind"]) == ("failed", "limit")


def test_cancel_kills_the_command_and_undoes_what_was_done(stack: Platform, token: str) -> None:
    file = stack.folder / "cancelled"
    id = stack.detach(
        """
        param file
        exec { echo made >> "$file" } undo { echo unmade >> "$file" }
        exec { echo $$ > "$file.pid"; trap '' TERM; sleep 600 }
        """,
        "-i",
        f"file={file}",
    )
    pid_file = Path(f"{file}.pid")
    wait_until(lambda: pid_file.exists() and pid_file.read_text().strip(), 60, "the command")
    assert stack.command("cancel", id).returncode == 0
    ended = stack.ended(id, token)
    assert ended["status"] == "cancelled"
    assert effects(file) == ["made", "unmade"]
    assert not Path(f"/proc/{pid_file.read_text().strip()}").exists()


def test_a_cancel_does_not_wait_for_a_heartbeat(stack: Platform, token: str) -> None:
    """Descendants that trap SIGTERM are gone; the run has asked the host, which heard of the cancel and acted."""
    id = stack.detach(
        """
        exec(grace: "2s") {
            for n in {1..5}; do (trap '' TERM; sleep 600) & done
            setsid bash -c 'trap "" TERM; sleep 600' & wait
        }
        """
    )
    mark = [f"CODEAI_EXECUTION_ID={id}"]
    wait_until(lambda: len(with_marks(mark)) > 6, 60, "the descendants")
    assert stack.command("cancel", id).returncode == 0
    assert stack.ended(id, token)["status"] == "cancelled"
    assert not with_marks(mark)
    assert '{"is_cancelled":true}' in histories(stack, f"execution/{id}")


def test_temporal_alone_can_start_a_run(stack: Platform, token: str) -> None:
    """`temporal workflow start` with plain JSON does everything that the API does."""
    import subprocess
    import sys

    temporal = Path(sys.executable).with_name("temporal")
    done = subprocess.run(
        [
            *(temporal, "workflow", "start", "--address", f"127.0.0.1:{stack.temporal}"),
            *("--type", "ExecuteDeployment", "--task-queue", "codeai-workflows", "--workflow-id", "by-hand"),
            *("--input", '{"program": "param who\\nreturn \\"hello \\" + who", "inputs": {"who": "you"}}'),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "by-hand" in done.stdout

    def row() -> dict[str, object] | None:
        _, _, body = stack.request("GET", "/executions?limit=20", token=token)
        mine = [
            one for one in body["items"] if one["workflow_id"] == "by-hand" and one["status"] == "complete"
        ]
        return mine[0] if mine else None

    assert wait_until(row, 30, "the run's row")["result"] == "hello you"


@pytest.mark.parametrize(
    "given",
    ['{"program": 5}', '{"nothing": 1}', "[1]", '{"program": "return 1", "program": "return 2"}', "7"],
)
def test_bad_input_by_temporal_fails_the_run_cleanly(stack: Platform, given: str) -> None:
    import subprocess
    import sys

    temporal = Path(sys.executable).with_name("temporal")
    done = subprocess.run(
        [
            *(temporal, "workflow", "execute", "--address", f"127.0.0.1:{stack.temporal}"),
            *("--type", "ExecuteDeployment", "--task-queue", "codeai-workflows"),
            *("--workflow-id", f"bad-{time.time_ns()}", "--input", given, "--output", "json"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert "invalid_input" in done.stdout + done.stderr
