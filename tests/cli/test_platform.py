"""The commands against a platform of their own: a run from its start to its exit code."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import pytest

from tests.platform import Platform, wait_until

pytestmark = pytest.mark.stack


def test_a_run_is_followed_to_its_result(stack: Platform) -> None:
    file = stack.write(
        "follow/a.cai", 'param n = 1\nlog("for people")\nexec { echo out; echo err >&2; ls }\nreturn n + 1\n'
    )
    done = stack.command("run", str(file), "-i", "n=41")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "out\na.cai\n42\n"
    assert "for people\n" in done.stderr and "err\n" in done.stderr and "line 3" in done.stderr


def test_json_is_all_that_stands_on_stdout(stack: Platform) -> None:
    file = stack.write("json/a.cai", "exec { echo out }\nreturn {a: [1, 2.5, null]}\n")
    done = stack.command("run", str(file), "--output", "json")
    assert done.returncode == 0 and "out" in done.stderr
    answer = json.loads(done.stdout)
    assert answer.pop("execution_id")
    assert answer == {"status": "complete", "result": {"a": [1, 2.5, None]}, "error": None, "undo_failed": []}


def test_a_failed_run_ends_with_what_one_needs(stack: Platform) -> None:
    file = stack.write("failed/a.cai", "var a = 1\nexec {\n    seq 30 >&2\n    exit 3\n}\n")
    done = stack.command("run", str(file))
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("failed at line 2"))
    assert lines[at + 1].strip() == "2 | exec {"
    assert [line.strip(" |") for line in lines[at + 2 : at + 22]] == [str(number) for number in range(11, 31)]
    assert "codeai logs" in done.stderr and f"codeai run {file}" in done.stderr


def test_a_detached_run_is_found_as_the_newest(stack: Platform) -> None:
    id = stack.detach('log("hello")\nvar seen = [1, 2]\nsleep("1h")\n')
    wait_until(lambda: "hello" in stack.command("logs").stderr, 30, "its log")
    assert "seen = [1, 2]" in stack.command("state").stdout
    listed = json.loads(stack.command("executions", "list", "--output", "json").stdout)["items"]
    assert listed[0]["id"] == id and listed[0]["status"] in ("running", "waiting")
    assert id in stack.command("cancel").stdout
    assert stack.command("logs", "-f", id).returncode == 0
    shown = json.loads(stack.command("executions", "show", id, "--output", "json").stdout)
    assert shown["status"] == "cancelled"


def test_who_reads_no_further_ends_what_is_followed(stack: Platform) -> None:
    """`codeai logs -f | head -1`"""
    id = stack.run("exec { seq 200000 }")["execution_id"]
    following = stack.start("logs", "-f", id)
    assert following.stdout is not None
    assert following.stdout.readline() == "1\n"
    following.stdout.close()
    assert following.wait(30) == 1
    assert following.stderr is not None and following.stderr.read() == ""


def test_output_is_followed_as_lines_of_json(stack: Platform) -> None:
    id = stack.detach("exec { echo one; sleep 1; echo two >&2 }")
    done = stack.command("logs", "-f", id, "--output", "json")
    assert done.returncode == 0 and done.stderr == ""
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["stream"], one["text"]) for one in said] == [("stdout", "one\n"), ("stderr", "two\n")]
    assert [one["offset"] for one in said] == [1, 2]


def test_a_list_of_runs_shows_what_each_says_of_itself(stack: Platform) -> None:
    id = stack.detach('set_status("waiting for the tide")\nsleep("1h")\n')

    def shown() -> bool:
        lines = stack.command("executions", "list").stdout.splitlines()
        return any(line.startswith(id) and "waiting for the tide" in line for line in lines)

    wait_until(shown, 60, "what the run says of itself")
    stack.command("cancel", id)


def test_the_status_shows_the_hosts_with_their_labels_and_slots(stack: Platform) -> None:
    id = stack.detach("exec { sleep 600 }")

    def told() -> dict[str, Any] | None:
        [host] = json.loads(stack.command("status", "--output", "json").stdout)["hosts"]
        return host if host["slots_taken"] == 1 else None

    host = wait_until(told, 30, "the slot to be told of")
    assert (host["labels"], host["slots"], host["state"]) == ([""], 4, "ok")
    shown = stack.command("status").stdout
    assert host["id"] in shown and "(none)" in shown and "1 of 4 taken" in shown
    stack.command("cancel", id)


def test_ctrl_c_lets_go_of_a_run_and_leaves_it_running(stack: Platform) -> None:
    file = stack.write("detach/a.cai", 'log("it begins")\nexec { sleep 3 }\nreturn 1\n')
    process = stack.start("run", str(file))
    assert process.stderr is not None
    while "it begins" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "codeai logs -f" in said and "codeai cancel" in said and "Traceback" not in said
    assert stack.command("logs", "-f").returncode == 0
    newest = json.loads(stack.command("executions", "show", "--output", "json").stdout)
    assert newest["status"] == "complete"


def test_configs_and_deployments_by_name(stack: Platform) -> None:
    name = f"release {time.monotonic_ns()}"
    file = str(stack.write("named/release.cai", "param service\nparam n = 1\nreturn [service, n]\n"))
    for words in (
        ("configs", "create", name, file),
        ("configs", "update", name, file),
        ("deployments", "create", name, "--config", name, "-i", "service=billing"),
        ("deployments", "update", name, "--version", "2", "-i", "n:=7"),
    ):
        done = stack.command(*words)
        assert done.returncode == 0, done.stderr
    versions = json.loads(stack.command("configs", "versions", name, "--output", "json").stdout)["items"]
    assert [one["version"] for one in versions] == [2, 1]
    ran = stack.command("deployments", "execute", name, "--output", "json")
    assert json.loads(ran.stdout)["result"] == ["billing", 7]
    assert "complete" in stack.command("deployments", "show", name).stdout
    assert "nothing" in stack.command("deployments", "stop", name).stdout
    refused = stack.command("configs", "delete", name)
    assert refused.returncode == 1 and "is used by" in refused.stderr
    assert stack.command("deployments", "delete", name).returncode == 0
    assert stack.command("configs", "delete", name).returncode == 0
    gone = stack.command("configs", "show", name)
    assert gone.returncode == 1 and len(gone.stderr.splitlines()) == 1


def test_a_query_is_answered_as_a_table_or_as_json(stack: Platform) -> None:
    """Over pages, with parameters, and as an update; a mistake is shown with its place."""
    tag = f"queried {time.monotonic_ns()}"
    names = [f"{tag} {number}" for number in range(3)]
    for name in names:
        assert stack.command("deployments", "create", name).returncode == 0
    asked = "SELECT name, status FROM deployments WHERE name STARTSWITH @tag ORDER BY name"
    shown = stack.command("query", asked, "--param", f"tag={tag}")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[0].split() == ["NAME", "STATUS"]
    assert [line.split("  ")[0] for line in shown.stdout.splitlines()[1:]] == names
    told = json.loads(stack.command("query", asked, "--param", f"tag={tag}", "--output", "json").stdout)
    assert told["rows"] == [[name, "pending"] for name in names]
    counted = stack.command(
        "query", "COUNT FROM deployments WHERE name STARTSWITH @tag", "--param", f"tag={tag}"
    )
    assert counted.stdout.split()[-1] == "3"
    change = f"UPDATE deployments SET failure_policy = 'park' WHERE name = '{names[0]}'"
    assert stack.command("query", change).stdout.split() == ["UPDATED", "1"]
    wrong = stack.command("query", "SELECT nam FROM deployments")
    assert wrong.returncode == 2 and "^" in wrong.stderr and "name" in wrong.stderr
    for name in names:
        stack.command("deployments", "delete", name)


def test_up_tells_programs_where_it_is(stack: Platform) -> None:
    told = json.loads(stack.command("status", "--output", "json").stdout)
    assert told["status"] == "running" and told["url"] == stack.url
    again = stack.command("up", "--detach", "--output", "json")
    assert again.returncode == 1 and len(again.stderr.splitlines()) == 1


def test_a_token_of_a_viewer_may_only_look(stack: Platform) -> None:
    token = stack.command("token", "create", "--role", "viewer", "--ttl", "5m").stdout.strip()
    assert stack.request("GET", "/executions", token=token)[0] == 200
    assert stack.request("POST", "/executions", {"program": "return 1"}, token=token)[0] == 403
    assert stack.request("GET", "/me", token=token)[2]["roles"] == ["viewer"]
