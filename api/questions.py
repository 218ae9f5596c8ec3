"""Questions to a run's worker: Temporal's queries, one of a run after the other.

A worker forgets the run behind some of them (docs/decisions/0007-a-question-takes-no-run-further.md), and then the SDK
loses those which wait behind the next one: their answer would come a second late or not at all.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from weakref import WeakValueDictionary

from temporalio.client import WorkflowHandle, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

QUERY_LIMIT = timedelta(seconds=2)
"""How long a worker has to say that it is there."""

_asked: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()


class NoSuchRun(Exception):
    """Temporal does not know it."""


async def ask(run: WorkflowHandle[Any, Any], query: str) -> Any:
    """The answer of the run's worker; None where none answers in time. Raises NoSuchRun."""
    alone = _asked.setdefault(run.id, asyncio.Lock())
    try:
        async with asyncio.timeout(QUERY_LIMIT.total_seconds()), alone:
            return await run.query(query, rpc_timeout=QUERY_LIMIT)
    except (TimeoutError, WorkflowQueryFailedError):
        return None
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise NoSuchRun from None
        return None
