"""How a run is found: by its row, and by what Temporal knows of it while the row is not there."""

from __future__ import annotations

import asyncio
from uuid import UUID

from temporalio.client import WorkflowFailureError

from codeai.api.dependencies import Parts
from codeai.api.mending import mended
from codeai.api.operations import RPC_LIMIT, described, ending_of, is_running
from codeai.api.outages import reading
from codeai.api.problems import Refused
from codeai.api.views import StartedView
from codeai.persistence.executions import Execution, Executions
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT

ROW_LIMIT = 0.5
"""Seconds that Postgres has to say which workflow a run is; then it is taken for the usual one."""


async def row(parts: Parts, id: UUID) -> Execution | None:
    async with reading(parts.database) as rows:
        return await Executions(rows).get(str(id))


async def row_in_time(parts: Parts, id: UUID) -> Execution | None:
    """The row, if Postgres answers at once: commands are taken while it is away, too."""
    try:
        async with asyncio.timeout(ROW_LIMIT):
            return await row(parts, id)
    except (TimeoutError, Refused):
        return None


def workflow_of(found: Execution | None, id: UUID) -> str:
    """The id of a run's workflow; the usual one where its row is not known."""
    return found.workflow_id if found is not None else EXECUTE_DEPLOYMENT.workflow_id(str(id))


async def known(parts: Parts, id: UUID) -> Execution | StartedView:
    """The run as its row has it; as Temporal knows it while the row is not there. Raises Refused with the problem
    that a run without a row ended with."""
    found = await row(parts, id)
    if found is not None:
        return await mended(parts, found)
    workflow_id = EXECUTE_DEPLOYMENT.workflow_id(str(id))
    described_run = await described(parts.temporal, workflow_id)
    if described_run is None:
        raise no_execution(id)
    if is_running(described_run):
        return StartedView(id=str(id))
    # A short run may have begun and ended between the two questions: its row was written before it ended.
    found = await row(parts, id)
    if found is not None:
        return found
    try:
        await parts.temporal.get_workflow_handle(workflow_id).result(rpc_timeout=RPC_LIMIT)
    except WorkflowFailureError as failure:
        ending = ending_of(failure)
        errors = (ending.value or {}).get("errors") or ()
        if ending.kind in ("invalid_input", "not_found", "no_config"):
            raise Refused(ending.kind, ending.message, errors=errors) from None
        raise Refused("not_found", f"the run ended before it was written: {ending.message}") from None
    return StartedView(id=str(id))


async def must_exist(parts: Parts, id: UUID) -> None:
    """Raises Refused(not_found) for a run that nobody knows."""
    await known(parts, id)


def no_execution(id: UUID) -> Refused:
    return Refused("not_found", f"there is no execution {id}")
