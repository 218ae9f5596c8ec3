"""Cancelling a run: Temporal's own cancel, which has no effect on one that has ended."""

from __future__ import annotations

from fastapi import Request
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from codeai.api.auth.caller import Caller
from codeai.api.operations import RPC_LIMIT


async def cancel(temporal: Client, workflow_id: str, caller: Caller, request: Request) -> bool:
    """Whether there was something to cancel; who did it, and by which request, stands in the run's history. Raises
    RPCError where Temporal does not answer."""
    reason = f"by {caller.subject[:255]}, request {request.scope['state']['request_id']}"
    try:
        await temporal.get_workflow_handle(workflow_id).cancel(reason=reason, rpc_timeout=RPC_LIMIT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True
