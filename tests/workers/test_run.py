"""Worker processes: each role does its part, and all stop in an orderly way whenever they are told."""

from __future__ import annotations

import asyncio
import shutil
import signal
import uuid
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from codeai.stack.processes import Process
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT, TASK_TIMEOUT
from codeai.workflows.contracts.queues import EXEC, WORKFLOWS, exec_on
from tests.dev_server import dev_server
from tests.platform import wait_until
from tests.workers.conftest import Running, Start

ROLES = ("all", "workflows", "exec")


def address(client: Client) -> str:
    return client.service_client.config.target_host


async def begin(client: Client, program: str) -> WorkflowHandle[Any, Any]:
    return await client.start_workflow(
        EXECUTE_DEPLOYMENT.type,
        {"program": program},
        id=str(uuid.uuid4()),
        task_queue=EXECUTE_DEPLOYMENT.queue,
        task_timeout=TASK_TIMEOUT,
    )


async def is_polled_by(client: Client, queue: str, running: Running, kind: Any) -> bool:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
    )
    described = await client.workflow_service.describe_task_queue(request)
    pid = str(running.process.pid)
    return any(poller.identity.split()[-1] == pid for poller in described.pollers)


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_polls_its_queues_and_stops_when_told(
    worker: Start, temporal: Client, tmp_path: Path, role: str
) -> None:
    running = worker(role, address(temporal))
    running.until_ready()
    queues = [
        (WORKFLOWS, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, ("all", "workflows")),
        (WORKFLOWS, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY, ("all", "workflows")),
        (EXEC, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY, ("all", "exec")),
    ]
    if role != "workflows":
        host = (tmp_path / "a root" / "host").read_text()
        queues.append((exec_on(host), TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY, ("all", "exec")))
    for queue, kind, roles in queues:
        if role in roles:
            while not await is_polled_by(temporal, queue, running, kind):
                assert running.process.poll() is None
        else:
            assert not await is_polled_by(temporal, queue, running, kind)
    assert running.stop() == 0
    assert "worker stops" in running.log.read_text()


async def test_the_two_roles_run_a_program_together_and_its_refusal_harms_nobody(
    worker: Start, temporal: Client
) -> None:
    both = [worker(role, address(temporal)) for role in ("workflows", "exec")]
    refused = await begin(temporal, "return nobody")
    with pytest.raises(Exception, match="Workflow execution failed"):
        await refused.result()
    ran = await begin(temporal, "return exec { echo hello }")
    assert (await ran.result())["result"] == "hello"
    assert [running.stop() for running in both] == [0, 0]


async def test_a_command_under_way_goes_on_without_its_worker(
    worker: Start, temporal: Client, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    first = worker("all", address(temporal))
    ran = await begin(
        temporal,
        f'exec {{ echo begin >> "{marks}"; while [ ! -e "{marks}.go" ]; do sleep 0.05; done; '
        f'echo end >> "{marks}" }}\nreturn 7',
    )
    wait_until(marks.exists, 60, "the command to begin")
    assert first.stop() == 0
    assert marks.read_text() == "begin\n"
    second = worker("all", address(temporal))
    Path(f"{marks}.go").touch()
    assert (await ran.result())["result"] == 7
    assert marks.read_text() == "begin\nend\n"
    assert second.stop() == 0


async def test_a_worker_stops_while_the_database_is_away(
    worker: Start, temporal: Client, nowhere: str
) -> None:
    port = nowhere.rpartition(":")[2]
    running = worker("all", address(temporal), DATABASE_PORT=port, CODEAI_WORKER_DRAIN_TIMEOUT="1s")
    running.until_ready()
    waiting = await begin(temporal, "return 1")
    running.until_it_says("load_program")
    assert running.stop() == 0
    await waiting.terminate()


@pytest.mark.parametrize("role", ROLES)
def test_a_worker_stops_while_temporal_is_not_there(worker: Start, nowhere: str, role: str) -> None:
    running = worker(role, nowhere)
    running.until_it_says("Temporal does not answer yet")
    assert running.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_hears_before_it_has_loaded_its_parts(
    worker: Start, nowhere: str, number: signal.Signals
) -> None:
    """Loading takes a second or two; the signal of who thought better of it comes in the first moments."""
    running = worker("all", nowhere)
    proc = Path("/proc") / str(running.process.pid)
    if not proc.exists():
        pytest.skip("only Linux shows which signals a process catches")
    wait_until(lambda: hears(proc, number), 60, "the worker to hear")
    assert "temporal_sdk_bridge" not in (proc / "maps").read_text()
    assert running.stop(number) == 0
    assert running.log.read_text() == ""


def hears(proc: Path, number: signal.Signals) -> bool:
    """Whether the process has a handler of Python's own for both signals."""
    (caught,) = (line for line in (proc / "status").read_text().splitlines() if line.startswith("SigCgt:"))
    mask = int(caught.split()[1], 16)
    return all(mask >> (one - 1) & 1 for one in (number, signal.SIGTERM))


async def test_a_worker_that_is_there_before_temporal_begins_when_it_comes(
    worker: Start, nowhere: str
) -> None:
    running = worker("workflows", nowhere)
    running.until_it_says("Temporal does not answer yet")
    async with dev_server(int(nowhere.rpartition(":")[2])):
        running.until_ready()
        assert running.stop() == 0


async def test_a_worker_that_cannot_work_ends_with_a_reason(worker: Start, temporal: Client) -> None:
    """Whoever keeps workers running starts another; one that only seems to run would help nobody."""
    running = worker("all", address(temporal), TEMPORAL_NAMESPACE="nothing")
    assert running.process.wait(60) == 1
    said = running.log.read_text().splitlines()[-1]
    assert said.startswith("codeai: ") and "nothing" in said
    assert Process.of(running.process.pid) is None


async def test_a_worker_whose_spool_is_removed_ends_with_a_reason_and_the_next_one_serves(
    worker: Start, temporal: Client, tmp_path: Path
) -> None:
    flows = worker("workflows", address(temporal))
    first = worker("exec", address(temporal))
    for one in (flows, first):
        one.until_ready()
    ran = await begin(temporal, 'exec { echo on > "$CODEAI_WORKSPACE/../../../on"; sleep 60 }')
    wait_until((tmp_path / "a root" / "on").exists, 60, "the command")
    shutil.rmtree(tmp_path / "a root" / "spool")
    assert first.process.wait(60) == 1
    said = first.log.read_text().splitlines()[-1]
    assert said.startswith("codeai: ") and "was removed while this worker served it" in said
    worker("exec", address(temporal)).until_ready()
    with pytest.raises(WorkflowFailureError) as failed:
        await asyncio.wait_for(ran.result(), 60)
    assert "lost" in str(failed.value.cause)
