"""Operations: the ids of what callers ask for, and what became of a change that was accepted."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import Request
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
)
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.service import RPCError, RPCStatusCode

from codeai.api.auth.caller import Caller
from codeai.api.bodies import beside
from codeai.api.problems import Refused
from codeai.workflows.contracts.base import Contract

_NOT_OF_THE_BODY = {"triggered_by", "request_id", "execution", "held", "use_secrets"}
RPC_LIMIT = timedelta(seconds=5)
"""For one question to Temporal."""
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:codeai:operation")


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that a caller asked for: `id` is the same for the same key, `body` the hash of what was sent."""

    id: str
    subject: str
    body: str

    @classmethod
    def of(cls, caller: Caller, method: str, path: str, key: str | None, asked: Contract) -> Operation:
        """Without a key every request is its own operation."""
        id = operation_id(caller, method, path, key) if key is not None else str(uuid.uuid4())
        return cls(id, caller.subject, body_hash(asked))

    @classmethod
    async def by(cls, request: Request, caller: Caller, key: str | None, asked: Contract) -> Operation:
        """What `asked` is, which a request's body was read as."""
        read: bytes = getattr(request, "_body", b"")
        return await beside(read, lambda: cls.of(caller, request.method, request.url.path, key, asked))

    @property
    def memo(self) -> dict[str, str]:
        return {"subject": self.subject, "body": self.body}

    async def is_the_same(self, run: WorkflowExecution) -> bool:
        """Whether that workflow run was started by this very request."""
        memo = await run.memo()
        return memo.get("subject") == self.subject and memo.get("body") == self.body


def operation_id(caller: Caller, method: str, path: str, key: str) -> str:
    """A key belongs to its caller, method and path."""
    return str(uuid.uuid5(_NAMESPACE, "\n".join((caller.subject, method, path, key))))


def key_reused() -> Refused:
    """Of a key that was sent with another body before."""
    return Refused(
        "idempotency_key_reused", "this Idempotency-Key was used with another body; take a new one"
    )


def body_hash(asked: Contract) -> str:
    """The same for bodies with the same meaning, of which who asks, what he may and when are no part."""
    plain = asked.model_dump(mode="json", exclude=_NOT_OF_THE_BODY)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


async def described(temporal: Client, workflow_id: str) -> WorkflowExecutionDescription | None:
    """What Temporal says of a workflow; None where it knows none. Raises RPCError."""
    try:
        return await temporal.get_workflow_handle(workflow_id).describe(rpc_timeout=RPC_LIMIT)
    except RPCError as error:
        if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
            return None
        raise


def is_running(description: WorkflowExecutionDescription) -> bool:
    return description.status is WorkflowExecutionStatus.RUNNING


@dataclass(frozen=True, slots=True)
class Ending:
    """How a workflow failed: kind and message, and the value that it gave along, if any."""

    kind: str
    message: str
    value: dict[str, Any] | None = None


def ending_of(failure: WorkflowFailureError) -> Ending:
    """The failure of a workflow in our words."""
    cause = failure.cause
    details = list(getattr(cause, "details", ()) or ())
    value = details[0] if details and isinstance(details[0], dict) else None
    if isinstance(cause, ApplicationError):
        return Ending(cause.type or "internal", cause.message, value)
    if isinstance(cause, CancelledError):
        return Ending("cancelled", cause.message or "cancelled", value)
    return Ending("terminated", str(cause) or "it was ended from outside", value)
