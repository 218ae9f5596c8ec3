"""Cancelling a run: Temporal's own cancel, which has no effect on one that has ended."""

from __future__ import annotations

from typing import Literal

from fastapi import Request
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from codeai.api.auth.caller import Caller
from codeai.api.operations import RPC_LIMIT
from codeai.workflows.contracts.commands import CancelInput


async def cancel(
    temporal: Client,
    workflow_id: str,
    caller: Caller,
    request: Request,
    word: Literal["cancel", "stop"] = "cancel",
    comment: str | None = None,
) -> bool:
    """Whether there was something to cancel. Who did it, why, and by which request, stands in the run's history, and
    from there in its log and in the audit log. Raises RPCError where Temporal does not answer."""
    request_id = request.scope["state"]["request_id"]
    by = caller.subject[:255]
    reason = CancelInput(word=word, by=by, request_id=request_id, comment=comment).as_reason()
    try:
        await temporal.get_workflow_handle(workflow_id).cancel(reason=reason, rpc_timeout=RPC_LIMIT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True
