"""Events: publishing one, and waiting for one."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from codeai.dsl.faults import Fault
from codeai.dsl.requests import EffectResult, Request
from codeai.dsl.values import ErrorValue, Map, to_result
from codeai.workflows import calls
from codeai.workflows.calls import Call
from codeai.workflows.contracts.base import Contract
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.events import EmitInput, WaitInput, WaitOver
from codeai.workflows.effects.under_way import Effects, Sent
from codeai.workflows.effects.whole import whole

Answer = TypeVar("Answer", bound=Contract)


async def emit(effects: Effects, request: Request) -> EffectResult:
    arguments: dict[str, Any] = request.arguments
    type, data = arguments["type"], plain(arguments["data"])
    given = EmitInput(
        execution_id=effects.run.record.id,
        workflow_id=effects.run.record.workflow_id,
        step=effects.begun(request, f"emit {type}", {"type": type}),
        type=type,
        data=data,
    )
    try:
        made, _ = await _recorded(effects, request, given, calls.EMIT_EVENT)
    except Fault as fault:
        return EffectResult(error=ErrorValue(fault.kind, fault.message, request.line))
    return refused(made.error, request.line) or EffectResult(made.id)


async def wait_event(effects: Effects, request: Request) -> EffectResult:
    arguments: dict[str, Any] = request.arguments
    step, limit, type = request.step, arguments["timeout"], arguments["type"]
    where = plain(arguments["where"])
    given = WaitInput(
        execution_id=effects.run.record.id,
        workflow_id=effects.run.record.workflow_id,
        step=effects.begun(request, f"wait for {type}", {"type": type, "where": where, "timeout": limit}),
        type=type,
        where=where,
        since=effects.began(request),
    )
    try:
        found, is_cancelled = await _recorded(effects, request, given, calls.AWAIT_EVENT)
    except Fault as fault:
        return EffectResult(error=ErrorValue(fault.kind, fault.message, request.line))
    if error := refused(found.error, request.line):
        return error
    event = found.event
    if event is None:
        try:
            if is_cancelled:
                raise asyncio.CancelledError
            await effects.rest(request, lambda: step in effects.arrived, limit)
        finally:
            await calls.END_WAIT(WaitOver(execution_id=effects.run.record.id, step=step))
        event = effects.arrived.get(step)
    if event is None:
        return EffectResult(error=ErrorValue("timeout", f"no {type} came within {limit:g} s", request.line))
    return EffectResult(event)


async def _recorded(
    effects: Effects, request: Request, given: Sent, call: Call[Sent, Answer]
) -> tuple[Answer, bool]:
    """What an activity of the database answers that begins a step, and whether the step was cancelled meanwhile. Its
    answer is awaited all the same: what it writes later would stay, and what it took along is written by nobody else.
    Raises Fault(limit)."""
    sent = await effects.with_notes(given)
    effects.note_end_of(request)

    try:
        await effects.outbox.room_for(sent)
    except asyncio.CancelledError:
        effects.notes.restore(sent.notes)
        raise
    answered, is_cancelled = await whole(call.start(sent))
    return answered.result(), is_cancelled


def plain(given: Map | None) -> dict[str, Any]:
    """A map that may be left out, as plain data."""
    return {} if given is None else {key: to_result(value) for key, value in given.items()}


def refused(error: RunError | None, line: int) -> EffectResult | None:
    """What an activity refused, as the program gets it."""
    return None if error is None else EffectResult(error=ErrorValue(error.kind, error.message, line))
