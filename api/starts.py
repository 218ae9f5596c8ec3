"""How an execution is started: what can be read is checked first, then Temporal takes it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from codeai.api.auth.caller import Caller
from codeai.api.dependencies import Parts
from codeai.api.disk import refuse_if_full
from codeai.api.operations import RPC_LIMIT, Operation, described, ending_of, key_reused
from codeai.api.outages import reading
from codeai.api.problems import Refused
from codeai.api.views import ResultView, StartedView
from codeai.persistence.configs import Config, Configs
from codeai.persistence.deployments import Deployments
from codeai.workflows.contracts.attributes import at_start
from codeai.workflows.contracts.base import Contract
from codeai.workflows.contracts.executions import ExecuteInput, entity_of
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT, TASK_TIMEOUT, Kind

READ_LIMIT = 0.5
"""Seconds that Postgres has to answer in; then a run starts unread, and checks itself."""
WAIT_LIMIT = 55.0
"""Seconds that a caller may wait for a result."""

STARTED: dict[int | str, dict[str, Any]] = {
    200: {"model": ResultView, "description": "It was waited for and has ended"},
    202: {"model": StartedView, "description": "It has begun; its Location shows it"},
}
"""The answers of every route that starts a run, for the OpenAPI."""


async def start(
    request: Request, parts: Parts, caller: Caller, key: str | None, asked: ExecuteInput, wait: bool
) -> Response:
    """Checks, starts and answers 202 with where the run is, or 200 with its result where that was waited for.

    Raises Refused: disk, not_found, no_config, invalid_program, invalid_input, idempotency_key_reused, no_temporal.
    """
    asked = asked.model_copy(
        update={
            "triggered_by": caller.subject,
            "use_secrets": caller.may("secrets:use"),
            "via": "api",
            "request_id": request.scope["state"]["request_id"],
        }
    )
    operation = await Operation.by(request, caller, key, asked)
    try:
        refuse_if_full(parts.data)
        await _check(parts, asked)
    except Refused:
        # What the key has begun goes on, whatever its config has become since.
        if (
            key is None
            or await described(parts.temporal, EXECUTE_DEPLOYMENT.workflow_id(operation.id)) is None
        ):
            raise
    await begin(
        parts.temporal,
        EXECUTE_DEPLOYMENT,
        operation,
        asked.model_copy(update={"execution": operation.id}),
        entity_of(asked, operation.id),
        f"run {asked.deployment or asked.config or 'a program'}",
    )
    headers = {"Location": f"/executions/{operation.id}"}
    if wait:
        result = await awaited(parts, EXECUTE_DEPLOYMENT.workflow_id(operation.id), operation.id)
        if result is not None:
            return JSONResponse(result.as_json(), headers=headers)
    return JSONResponse(StartedView(id=operation.id).as_json(), status_code=202, headers=headers)


async def _check(parts: Parts, asked: ExecuteInput) -> None:
    """What a person would rather hear at once than read in a failed run."""
    try:
        async with asyncio.timeout(READ_LIMIT):
            content, inputs = await program_of(parts, asked)
    except TimeoutError:
        return
    except Refused as refused:
        if refused.code == "no_database":
            return
        raise
    found = await must_be_valid(parts, content, inputs)
    if found["input_errors"]:
        detail = "; ".join(error["message"] for error in found["input_errors"])
        raise Refused("invalid_input", detail, errors=found["input_errors"])


async def must_be_valid(parts: Parts, content: str, inputs: dict[str, Any] | None = None) -> dict[str, Any]:
    """What `examine` says of a program. Raises Refused(invalid_program)."""
    found = await parts.compilers.examine(content, inputs)
    if not found["valid"]:
        errors = [one for one in found["diagnostics"] if one["severity"] == "error"]
        first = errors[0]
        detail = f"line {first['line']}: {first['message']}"
        raise Refused("invalid_program", detail, diagnostics=found["diagnostics"])
    return found


async def program_of(parts: Parts, asked: ExecuteInput) -> tuple[str, dict[str, Any]]:
    """The text that would run and its inputs. Raises Refused(not_found, no_config, no_database)."""
    if asked.program is not None:
        return asked.program, asked.inputs
    async with reading(parts.database) as rows:
        if asked.deployment is None:
            config = await _config(Configs(rows), str(asked.config), asked.version)
            return config.content, asked.inputs
        deployment = await Deployments(rows).get(asked.deployment)
        if deployment is None:
            raise Refused("not_found", f"there is no deployment {asked.deployment!r}")
        if deployment.config_id is None:
            raise Refused("no_config", f"deployment {deployment.name!r} has no config; give it one first")
        config = await _config(Configs(rows), deployment.config_id, deployment.version)
        return config.content, json.loads(deployment.inputs) | asked.inputs


async def _config(configs: Configs, id_or_name: str, version: int | None) -> Config:
    config = await configs.get(id_or_name)
    if config is not None and version is not None and version != config.version:
        config = await configs.version(config.id, version)
    if config is None:
        raise Refused(
            "not_found", f"there is no config {id_or_name!r}" + (f" version {version}" if version else "")
        )
    return config


async def begin(
    temporal: Client, kind: Kind, operation: Operation, asked: Contract, entity: str, summary: str
) -> None:
    """Starts the workflow of an operation, once however often it is asked for. Raises
    Refused(idempotency_key_reused) where it was started for another body."""
    workflow_id = kind.workflow_id(operation.id)
    try:
        await temporal.start_workflow(
            kind.type,
            asked,
            id=workflow_id,
            task_queue=kind.queue,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            task_timeout=TASK_TIMEOUT,
            memo=operation.memo,
            search_attributes=at_start(kind.type, entity, operation.subject),
            static_summary=summary,
            rpc_timeout=RPC_LIMIT,
        )
    except WorkflowAlreadyStartedError:
        known = await described(temporal, workflow_id)
        if known is None or not await operation.is_the_same(known):
            raise key_reused() from None


async def awaited(parts: Parts, workflow_id: str, id: str, limit: float = WAIT_LIMIT) -> ResultView | None:
    """The result of a run; None where it goes on for longer than `limit`, in seconds, or than this server runs."""
    handle = parts.temporal.get_workflow_handle(workflow_id, result_type=dict)
    asking = asyncio.ensure_future(handle.result())
    stopping = asyncio.ensure_future(parts.stopping.wait())
    await asyncio.wait({asking, stopping}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not asking.done():
        asking.cancel()
        await asyncio.wait({asking})
        return None
    try:
        return ResultView.read(asking.result())
    except WorkflowFailureError as failure:
        ending = ending_of(failure)
        if ending.value is not None and "execution_id" in ending.value:
            return ResultView.read(ending.value)
        status = "cancelled" if ending.kind == "cancelled" else "failed"
        return ResultView(
            execution_id=id, status=status, error={"kind": ending.kind, "message": ending.message}
        )
