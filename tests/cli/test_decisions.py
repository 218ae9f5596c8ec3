"""What people say to runs by the command line: decisions, pauses, compensations."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from tests.platform import CODEAI, Platform, wait_until

pytestmark = pytest.mark.stack

ASKS = 'var said = approve("ship it?", timeout: "1h")\nreturn [said.approved, said.by, said.comment]\n'
UNDOES = """\
exec { echo made one } undo { echo gone one }
exec { echo made two } undo { echo gone two }
return "made"
"""


def asked(stack: Platform, id: str, count: int = 1) -> list[dict[str, Any]]:
    """The open approvals of a run, as soon as there are `count`."""

    def found() -> list[dict[str, Any]] | None:
        items = json.loads(stack.command("approvals", "--output", "json").stdout)["items"]
        own = sorted((one for one in items if one["execution_id"] == id), key=lambda one: one["step"])
        return own if len(own) == count else None

    approvals: list[dict[str, Any]] = wait_until(found, 30, f"{count} approvals of {id}")
    return approvals


def ended(stack: Platform, id: str) -> dict[str, Any]:
    stack.command("logs", "-f", id)
    shown: dict[str, Any] = json.loads(stack.command("executions", "show", id, "--output", "json").stdout)
    return shown


def on_terminal(stack: Platform, file: Path) -> tuple[subprocess.Popen[bytes], int]:
    """`codeai run` with a terminal of its own, whose other end is answered."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [CODEAI, "run", str(file), "--output", "json"],
        cwd=stack.folder,
        env=stack.environment,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    return process, ours


def test_a_run_that_waits_is_found_and_approved_without_its_id(stack: Platform) -> None:
    id = stack.detach(ASKS)
    asked(stack, id)
    listed = json.loads(stack.command("executions", "list", "--status", "waiting", "--output", "json").stdout)
    assert id in [one["id"] for one in listed["items"]]
    assert "ship it?" in stack.command("approvals", "list").stdout
    done = stack.command("approve", "--comment", "looks good")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"approved: {id}, step 1")
    approved, by, comment = ended(stack, id)["result"]
    assert approved and by and comment == "looks good"
    nothing = stack.command("approve")
    assert nothing.returncode == 1 and nothing.stderr == "codeai: no run waits for a decision\n"


def test_a_followed_run_tells_once_what_to_type(stack: Platform) -> None:
    file = stack.write("asks/a.cai", ASKS)
    process = stack.start("run", str(file), "--output", "json")
    assert process.stderr is not None
    said: list[str] = []
    while "codeai reject " not in (said[-1] if said else ""):
        said.append(process.stderr.readline())
    words = next(line for line in said if "decide:" in line).split()
    assert any("ship it?" in line and "until" in line for line in said)
    done = stack.command(*words[words.index("approve") :])
    assert done.returncode == 0, done.stderr
    out, rest = process.communicate(timeout=30)
    assert process.returncode == 0 and "decide:" not in rest
    assert json.loads(out)["result"][0] is True


@pytest.mark.parametrize(
    ("typed", "code", "status"),
    [(["what?", "y", "by hand"], 0, "complete"), (["n", ""], 1, "failed")],
    ids=["approved", "rejected"],
)
def test_a_followed_run_asks_on_a_terminal(stack: Platform, typed: list[str], code: int, status: str) -> None:
    file = stack.write("terminal/a.cai", ASKS)
    process, terminal = on_terminal(stack, file)
    shown = ""
    for line in typed:
        prompts = shown.count("? [y/n] ") + shown.count("comment (Enter for none): ")
        while shown.count("? [y/n] ") + shown.count("comment (Enter for none): ") == prompts:
            shown += os.read(terminal, 4096).decode()
        os.write(terminal, f"{line}\n".encode())
    assert process.stdout is not None
    answer = json.loads(process.stdout.read())
    assert process.wait(30) == code and answer["status"] == status
    os.close(terminal)
    if status == "complete":
        assert answer["result"][2] == "by hand"
    assert "ship it?" in shown and "decide:" not in shown


def test_a_decision_from_elsewhere_ends_the_question(stack: Platform) -> None:
    file = stack.write("elsewhere/a.cai", ASKS)
    process, terminal = on_terminal(stack, file)
    shown = ""
    while "[y/n]" not in shown:
        shown += os.read(terminal, 4096).decode()
    assert stack.command("approve").returncode == 0
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and json.loads(out)["result"][0] is True
    os.close(terminal)


def test_the_temporal_cli_decides_as_well(stack: Platform) -> None:
    id = stack.detach(ASKS)
    asked(stack, id)
    done = subprocess.run(
        [
            Path(sys.prefix) / "bin" / "temporal",
            *("workflow", "signal", "--address", f"127.0.0.1:{stack.temporal}"),
            *("--workflow-id", f"execution/{id}", "--name", "approve", "--input", '{"comment":"ok"}'),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    approved, _, comment = ended(stack, id)["result"]
    assert approved and comment == "ok"


def test_of_two_open_approvals_the_step_is_named(stack: Platform) -> None:
    id = stack.detach(
        'return parallel for word in ["one", "two"] {\n'
        '    return approve("is it ${word}?", check: false).approved\n}\n'
    )
    one, two = asked(stack, id, 2)
    which = stack.command("approve", id)
    assert which.returncode == 1 and f"step {two['step']}: is it two?" in which.stderr
    assert stack.command("reject", id, "--step", str(one["step"])).returncode == 0
    assert stack.command("approve", id, "--step", str(two["step"])).returncode == 0
    assert ended(stack, id)["result"] == [False, True]


def test_who_does_not_hold_the_role_is_refused(stack: Platform) -> None:
    id = stack.detach('return approve("ship?", role: "admin").approved\n')
    asked(stack, id)
    editor = stack.command("token", "create", "--role", "editor").stdout.strip()
    status, _, problem = stack.request("POST", f"/executions/{id}/approve", {}, token=editor)
    assert (status, problem["code"]) == (403, "forbidden") and "'admin'" in problem["detail"]
    assert stack.command("approve", id).returncode == 0
    assert ended(stack, id)["result"] is True


def test_a_loop_is_paused_and_goes_on_where_it_was(stack: Platform) -> None:
    id = stack.detach("for n in range(30) {\n    exec { echo $n; sleep 0.1 }\n}\nreturn 30\n")
    wait_until(lambda: "3\n" in stack.command("logs", id).stdout, 60, "its third round")
    told = stack.command("pause", id)
    assert told.stdout == f"paused: {id}\n", told.stderr

    def shown() -> str:
        return str(json.loads(stack.command("executions", "show", id, "--output", "json").stdout)["status"])

    wait_until(lambda: shown() == "paused", 30, "the pause")
    steps = json.loads(stack.command("executions", "steps", id, "--output", "json").stdout)["items"]
    assert 3 < len(steps) < 30
    assert stack.command("resume", id).stdout == f"running: {id}\n"
    found = ended(stack, id)
    assert (found["status"], found["result"]) == ("complete", 30)
    assert stack.command("logs", id).stdout.split() == [str(n) for n in range(30)]


def test_a_complete_run_is_compensated_once(stack: Platform) -> None:
    id = stack.detach(UNDOES)
    assert ended(stack, id)["status"] == "complete"
    done = stack.command("compensate", id)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "gone two\ngone one\n"
    assert f"compensated: {id}" in done.stderr and "made" not in done.stderr
    found = ended(stack, id)
    assert (found["status"], found["result"]) == ("compensated", "made")
    again = stack.command("compensate", id)
    assert again.returncode == 1 and "compensated already" in again.stderr


def test_what_cannot_be_compensated_says_why(stack: Platform) -> None:
    empty = stack.detach("return 1\n")
    ended(stack, empty)
    nothing = stack.command("compensate", empty)
    assert nothing.returncode == 1 and "no step" in nothing.stderr
    waits = stack.detach(f"exec {{ true }} undo {{ echo undone }}\n{ASKS}")
    asked(stack, waits)
    early = stack.command("compensate", waits)
    assert early.returncode == 1 and "has not ended" in early.stderr
    assert stack.command("cancel", waits).returncode == 0
    assert ended(stack, waits)["status"] == "cancelled"
    assert "undone" in stack.command("logs", waits).stdout
    late = stack.command("compensate", waits)
    assert late.returncode == 1 and "nothing left to undo" in late.stderr
