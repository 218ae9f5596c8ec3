"""Approvals: a step waits until somebody decides, or its time is over; each of it is an event."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from temporalio import workflow

from codeai.dsl.brief import brief
from codeai.dsl.requests import EffectResult, Request
from codeai.dsl.values import ErrorValue, shown
from codeai.workflows.contracts.commands import Decision
from codeai.workflows.contracts.events import EventMetadata, EventRecord
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
from codeai.workflows.effects.under_way import Effects
from codeai.workflows.states import step_id

TOLD = 4000
"""About how many characters of what is asked stand in its events; its step has it whole."""


async def approve(effects: Effects, request: Request) -> EffectResult:
    arguments: dict[str, Any] = request.arguments
    step, limit = request.step, arguments["timeout"]
    asked = open_approval(effects, request)
    given = {name: asked[name] for name in ("role", "allow_self", "deadline")}
    if effects.note_begin(request, asked["text"], given):
        _publish(effects, "requested", asked)
    try:
        await effects.rest(request, lambda: step in effects.decisions, limit)
    except asyncio.CancelledError:
        _publish(effects, "withdrawn", asked)
        raise
    decision = effects.decisions.get(step)
    if decision is None:
        _publish(effects, "expired", asked)
    else:
        taken = decision.model_dump(include={"by", "comment", "at"})
        _publish(effects, "approved" if decision.approved else "rejected", asked | taken)
    return settled(decision, arguments["check"], limit, request.line)


def open_approval(effects: Effects, request: Request) -> dict[str, Any]:
    """What somebody is asked, for people."""
    arguments: dict[str, Any] = request.arguments
    asked_at = effects.began(request)
    limit = arguments["timeout"]
    return {
        "step": request.step,
        "line": request.line,
        "text": shown(arguments["text"]),
        "role": arguments["role"],
        "allow_self": arguments["allow_self"],
        "asked_at": asked_at,
        "deadline": None if limit is None else asked_at + limit,
    }


def settled(decision: Decision | None, check: bool, limit: float | None, line: int) -> EffectResult:
    """What the program gets: a value, or an error where it wants one."""
    if decision is None:
        if check:
            return EffectResult(error=ErrorValue("timeout", f"nobody decided within {limit:g} s", line))
        return EffectResult({"approved": False, "by": None, "comment": None, "at": None})
    if check and not decision.approved:
        who = f"rejected by {decision.by}" if decision.by else "rejected"
        why = f": {decision.comment}" if decision.comment else ""
        return EffectResult(error=ErrorValue("rejected", who + why, line))
    return EffectResult(decision.model_dump(include={"approved", "by", "comment", "at"}))


def _publish(effects: Effects, what: str, data: dict[str, Any]) -> None:
    """Has it stored with the step's row; its id is made of the step, so that it is one event."""
    record = effects.run.record
    step = step_id(record.id, str(data["step"]))
    of_run = record.model_dump(include={"deployment_id", "config_id", "version", "triggered_by"})
    effects.notes.publish(
        EventRecord(
            id=str(uuid.uuid5(uuid.UUID(step), f"approval.{what}")),
            type=f"approval.{what}",
            source=EXECUTE_DEPLOYMENT.type,
            timestamp=workflow.time(),
            data={"execution_id": record.id, **of_run, **data, "text": brief(data["text"], TOLD)},
            metadata=EventMetadata(correlation_id=record.root or record.id, causation_id=step),
        )
    )
