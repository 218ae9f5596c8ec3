"""Who polls a task queue, as Temporal knows it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType, WorkerVersioningMode
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

WORKFLOWS = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
ACTIVITIES = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
LIMIT = timedelta(seconds=2)
POLLED_WITHIN = timedelta(minutes=2)
"""A poll is open for a minute at most; Temporal tells for longer of those that were there."""


async def pollers(client: Client, queue: str, kind: TaskQueueType.ValueType) -> list[PollerInfo]:
    """The processes that poll `queue` for tasks of that kind, of every build. Raises RPCError."""
    asked = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
    )
    answer = await client.workflow_service.describe_task_queue(asked, timeout=LIMIT)
    since = datetime.now(UTC) - POLLED_WITHIN
    return [one for one in answer.pollers if one.last_access_time.ToDatetime(UTC) > since]


def build_of(poller: PollerInfo, deployment: str) -> str | None:
    """The build that it polls for, of that Worker Deployment; None for a worker without one."""
    options = poller.deployment_options
    is_versioned = options.worker_versioning_mode == WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
    return options.build_id if is_versioned and options.deployment_name == deployment else None
