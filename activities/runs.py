"""What Temporal knows of a run."""

from __future__ import annotations

from datetime import timedelta

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

RPC_LIMIT = timedelta(seconds=4)


async def run_as_it_is(client: Client, workflow_id: str) -> WorkflowExecutionDescription | None:
    """The newest workflow run under that id; None where Temporal knows none. Raises RPCError."""
    try:
        return await client.get_workflow_handle(workflow_id).describe(rpc_timeout=RPC_LIMIT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


def is_running(found: WorkflowExecutionDescription) -> bool:
    """Whether the run goes on; one that has just continued as new does."""
    return found.status in (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CONTINUED_AS_NEW)
