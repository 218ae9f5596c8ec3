"""Cancelling a run: Temporal's own cancel, which has no effect on one that has ended."""

from __future__ import annotations

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from codeai.api.operations import RPC_LIMIT


async def cancel(temporal: Client, workflow_id: str) -> bool:
    """Whether there was something to cancel. Raises RPCError where Temporal does not answer."""
    try:
        await temporal.get_workflow_handle(workflow_id).cancel(rpc_timeout=RPC_LIMIT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True
