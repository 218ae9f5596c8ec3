"""Events: publishing one, and waiting for one."""

from __future__ import annotations

from typing import Any

from codeai.dsl.requests import EffectResult, Request
from codeai.dsl.values import ErrorValue, Map, to_result
from codeai.workflows import calls
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.events import EmitInput, WaitInput, WaitOver
from codeai.workflows.effects.under_way import Effects


async def emit(effects: Effects, request: Request) -> EffectResult:
    arguments: dict[str, Any] = request.arguments
    type, data = arguments["type"], plain(arguments["data"])
    effects.note_end_of(request)
    given = EmitInput(
        execution_id=effects.run.record.id,
        workflow_id=effects.run.record.workflow_id,
        step=effects.begun(request, f"emit {type}", {"type": type}),
        type=type,
        data=data,
        notes=await effects.notes.take(),
    )
    made = await calls.EMIT_EVENT(given)
    return refused(made.error, request.line) or EffectResult(made.id)


async def wait_event(effects: Effects, request: Request) -> EffectResult:
    arguments: dict[str, Any] = request.arguments
    step, limit, type = request.step, arguments["timeout"], arguments["type"]
    where = plain(arguments["where"])
    effects.note_end_of(request)
    given = WaitInput(
        execution_id=effects.run.record.id,
        workflow_id=effects.run.record.workflow_id,
        step=effects.begun(request, f"wait for {type}", {"type": type, "where": where, "timeout": limit}),
        type=type,
        where=where,
        since=effects.began(request),
        notes=await effects.notes.take(),
    )
    found = await calls.AWAIT_EVENT(given)
    if error := refused(found.error, request.line):
        return error
    event = found.event
    if event is None:
        try:
            await effects.rest(request, lambda: step in effects.arrived, limit)
        finally:
            await calls.END_WAIT(WaitOver(execution_id=effects.run.record.id, step=step))
        event = effects.arrived.get(step)
    if event is None:
        return EffectResult(error=ErrorValue("timeout", f"no {type} came within {limit:g} s", request.line))
    return EffectResult(event)


def plain(given: Map | None) -> dict[str, Any]:
    """A map that may be left out, as plain data."""
    return {} if given is None else {key: to_result(value) for key, value in given.items()}


def refused(error: RunError | None, line: int) -> EffectResult | None:
    """What an activity refused, as the program gets it."""
    return None if error is None else EffectResult(error=ErrorValue(error.kind, error.message, line))
