"""Programs that publish events and wait for them: nothing is missed, whatever dies meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from tests.platform import Platform, wait_until

WAITING = 'param type\nreturn wait_event(type, where: {mark: 7}, timeout: "90s").data'


def a_type() -> str:
    return f"custom.t{uuid.uuid4().hex}"


def is_waiting(stack: Platform, id: str, token: str) -> None:
    def asked() -> bool:
        return bool(stack.request("GET", f"/executions/{id}", token=token)[2].get("status") == "waiting")

    wait_until(asked, 60, "the run to wait")


def temporal(stack: Platform, *words: str) -> str:
    """What the `temporal` command prints of this platform."""
    binary = str(Path(sys.executable).with_name("temporal"))
    command = [binary, *words, "--address", f"127.0.0.1:{stack.temporal}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def publish(stack: Platform, type: str, data: dict[str, Any]) -> dict[str, Any]:
    done = stack.command("events", "publish", type, "--data", json.dumps(data), "--output", "json")
    assert done.returncode == 0, done.stderr
    event: dict[str, Any] = json.loads(done.stdout)
    return event


def test_one_fibre_waits_for_what_another_emits(stack: Platform) -> None:
    ended = stack.run(
        """
        var mark = uuid()
        var got = parallel for x in ["wait", "emit"] {
            if x == "wait" { return wait_event("custom.pack", where: {mark: mark, a: {n: 5}}, timeout: "60s") }
            emit("custom.pack", {mark: "other", a: {n: 5}})
            emit("custom.pack", {mark: mark, a: {n: 4}})
            return emit("custom.pack", {mark: mark, a: {n: 5, more: 1}, b: 2})
        }
        var event = got[0]
        return [event.id == got[1], event.data.a.more, event.type, type(event.timestamp), keys(event)]
        """
    )
    fields = ["id", "type", "source", "timestamp", "data", "metadata"]
    assert ended["result"] == [True, 1, "custom.pack", "float", fields], ended


def test_a_wait_takes_nothing_that_was_there_before_it(stack: Platform) -> None:
    ended = stack.run(
        """
        param type
        emit(type, {n: 1})
        try { wait_event(type, timeout: "1s") } catch e { return e.kind }
        """,
        *("-i", f"type={a_type()}"),
    )
    assert ended["result"] == "timeout", ended


def test_what_a_program_may_not_publish_is_an_error_at_its_line(stack: Platform) -> None:
    ended = stack.run('log("first")\nemit("job.completed", {})')
    assert (ended["error"]["kind"], ended["error"]["line"]) == ("value_error", 2), ended


def test_an_event_from_the_command_line_wakes_a_run(stack: Platform, token: str) -> None:
    type = a_type()
    id = stack.detach(WAITING, "-i", f"type={type}")
    is_waiting(stack, id, token)
    publish(stack, type, {"mark": 8})
    event = publish(stack, type, {"mark": 7, "by": "ann"})
    assert stack.ended(id, token)["result"] == event["data"] == {"mark": 7, "by": "ann"}


def test_an_event_by_temporal_alone_wakes_a_run(stack: Platform, token: str) -> None:
    type = a_type()
    id = stack.detach(WAITING, "-i", f"type={type}")
    is_waiting(stack, id, token)
    event = json.dumps({"type": type, "data": {"mark": 7}})
    queue = ("--task-queue", "codeai-workflows")
    temporal(stack, "workflow", "start", "--type", "PublishEvent", *queue, "--input", event)
    assert stack.ended(id, token)["result"] == {"mark": 7}


def test_a_run_waits_on_while_its_worker_dies_and_others_publish(stack: Platform, token: str) -> None:
    """Killed around the moment at which the event is stored: before, between storing and telling, after."""
    ids = []
    for pause in (0.0, 0.02, 0.05, 0.1):
        type = a_type()
        ids.append(stack.detach(WAITING, "-i", f"type={type}"))
        is_waiting(stack, ids[-1], token)
        body = {"type": type, "data": {"mark": 7}}
        assert stack.request("POST", "/events", body, token=token)[0] == 202
        time.sleep(pause)
        stack.kill("worker")
    assert [stack.ended(id, token)["result"] for id in ids] == [{"mark": 7}] * 4


def test_a_wait_goes_on_over_continue_as_new(stack: Platform, token: str) -> None:
    """A fibre waits while another makes so many steps that the run continues as new several times."""
    type, file = a_type(), stack.folder / f"steps-{time.monotonic_ns()}"
    id = stack.detach(
        """
        param type
        param file
        return parallel for x in ["wait", "work"] {
            if x == "wait" { return wait_event(type, where: {mark: 7}, timeout: "4m").data }
            for n in range(150) { exec { echo "$n" >> "$file" } }
        }
        """,
        *("-i", f"type={type}", "-i", f"file={file}"),
    )
    wait_until(lambda: file.exists() and len(file.read_text().splitlines()) > 120, 120, "120 steps")
    publish(stack, type, {"mark": 7})
    assert stack.ended(id, token)["result"] == [{"mark": 7}, None]
    runs = temporal(stack, "workflow", "list", "--query", f"WorkflowId='execution/{id}'", "--output", "json")
    assert len(json.loads(runs)) > 1, "it continued as new while it waited"


def test_a_program_waits_for_the_end_of_another_run(stack: Platform, token: str) -> None:
    config = f"ends-{uuid.uuid4().hex}"
    body = {"name": config, "content": 'param how\nif how == "badly" { fail("no luck") }'}
    status, _, made = stack.request("POST", "/configs", body, token=token)
    assert status == 201, made
    ended = stack.run(
        """
        param config
        param config_id
        var got = parallel for type in ["execution.started", "execution.failed", "run"] {
            if type == "run" {
                sleep("300ms")
                try { run(config, inputs: {how: "badly"}) } catch e { return e.message }
            } else { return wait_event(type, where: {config_id: config_id}, timeout: "60s") }
        }
        var failed = got[1]
        return [failed.data.error.message, failed.data.status, failed.metadata.causation_id == failed.data.execution_id,
                got[0].metadata.correlation_id == failed.metadata.correlation_id, got[0].source]
        """,
        *("-i", f"config={config}", "-i", f"config_id={made['id']}"),
    )
    assert ended["result"] == ["no luck", "failed", True, True, "ExecuteDeployment"], ended
