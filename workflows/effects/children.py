"""`run`: another config as a child execution with steps and a log of its own."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import (
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
)

from codeai.dsl.requests import EffectResult, Request
from codeai.dsl.stored import encode
from codeai.dsl.values import ErrorValue
from codeai.workflows.contracts.attributes import at_start
from codeai.workflows.contracts.executions import ExecuteInput, ExecuteResult, entity_of
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT, TASK_TIMEOUT
from codeai.workflows.contracts.steps import UndoEntry
from codeai.workflows.effects.events import plain
from codeai.workflows.effects.under_way import Effects
from codeai.workflows.effects.whole import whole

DEEPEST = 16
"""How many runs may stand above another."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between two looks whether a run is over that has to be, before it can be run or undone."""


async def run(effects: Effects, request: Request) -> EffectResult:
    arguments: dict[str, Any] = request.arguments
    config, depth = arguments["config"], effects.run.depth + 1
    if depth > DEEPEST:
        message = f"run() is nested deeper than {DEEPEST} runs: does {config!r} run itself?"
        return EffectResult(error=ErrorValue("limit", message, request.line))
    child = effects.step_id(request)
    shown = plain(arguments["inputs"])
    undo = UndoEntry(line=request.line, child=child)
    seen = {"execution": child, "config": config, "version": arguments["version"], "inputs": shown}
    effects.note_begin(request, f"run {config}", seen, undo)
    asked = ExecuteInput(
        execution=child,
        config=config,
        version=arguments["version"],
        values=encode(arguments["inputs"]) if arguments["inputs"] is not None else {},
        triggered_by=effects.run.record.triggered_by,
        request_id=effects.run.record.request_id,
        use_secrets=effects.run.use_secrets,
        depth=depth,
    )
    try:
        await effects.outbox.room_for(asked)
        done = await start_child(asked, f"run {config}")
    except ChildWorkflowError as error:
        unwanted = request.step in effects.withdrawn
        return EffectResult(error=failure(error, config, request.line, unwanted=unwanted))
    return EffectResult(done.result)


async def compensate(child: str) -> ExecuteResult:
    """Undoes a completed child. ChildWorkflowError where that failed."""
    asked = ExecuteInput(execution=child, do="compensate")
    return await start_child(asked, "compensate a run")


async def start_child(asked: ExecuteInput, summary: str) -> ExecuteResult:
    """Runs an execution below this one to its end; cancelled, it has undone its work before this goes on. One that is
    under way otherwise is waited for first."""
    pause = FIRST_PAUSE
    while True:
        try:
            return await _run_child(asked, summary)
        except WorkflowAlreadyStartedError:
            # Somebody's command to it is under way, or what it did under a parent that was terminated is being undone.
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


async def _run_child(asked: ExecuteInput, summary: str) -> ExecuteResult:
    assert asked.execution is not None
    # A cancel that comes before the start is confirmed would let go of a child that begins all the same.
    starting = workflow.start_child_workflow(
        EXECUTE_DEPLOYMENT.type,
        asked,
        id=EXECUTE_DEPLOYMENT.workflow_id(asked.execution),
        result_type=ExecuteResult,
        task_queue=EXECUTE_DEPLOYMENT.queue,
        task_timeout=TASK_TIMEOUT,
        cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
        parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        search_attributes=at_start(
            EXECUTE_DEPLOYMENT.type, entity_of(asked, asked.execution), asked.triggered_by
        ),
        static_summary=summary,
    )
    started, is_unwanted = await whole(starting)
    if is_unwanted and started.exception() is not None:
        raise asyncio.CancelledError
    child = started.result()
    if is_unwanted:
        child.cancel()
    done: ExecuteResult = await child
    return done


def failure(error: ChildWorkflowError, config: str, line: int, *, unwanted: bool) -> ErrorValue:
    """Why a child has failed, as an error of the program that ran it; `unwanted`: its parent has cancelled it."""
    cause = error.cause
    if isinstance(cause, CancelledError):
        return ErrorValue("cancelled" if unwanted else "failed", f"{config}: it was cancelled", line)
    if isinstance(cause, ApplicationError):
        # An aborted one is no cancel of this run: a program can catch it, or is parked at it.
        kind = "failed" if cause.type in (None, "cancelled") else cause.type
        return ErrorValue(kind, f"{config}: {cause.message}", line)
    return ErrorValue("failed", f"{config}: it was ended from outside", line)
