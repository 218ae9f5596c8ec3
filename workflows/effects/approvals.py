"""Approvals: a step waits until somebody decides, or its time is over."""

from __future__ import annotations

from typing import Any

from codeai.dsl.requests import EffectResult, Request
from codeai.dsl.values import ErrorValue, shown
from codeai.workflows.contracts.commands import Decision
from codeai.workflows.effects.under_way import Effects


async def approve(effects: Effects, request: Request) -> EffectResult:
    arguments: dict[str, Any] = request.arguments
    step, limit = request.step, arguments["timeout"]
    asked = open_approval(effects, request)
    given = {name: asked[name] for name in ("role", "allow_self", "deadline")}
    effects.note_begin(request, shown(asked["text"]), given)
    await effects.rest(request, lambda: step in effects.decisions, limit)
    return settled(effects.decisions.get(step), arguments["check"], limit, request.line)


def open_approval(effects: Effects, request: Request) -> dict[str, Any]:
    """What somebody is asked, for people."""
    arguments: dict[str, Any] = request.arguments
    asked_at = effects.began(request)
    limit = arguments["timeout"]
    return {
        "step": request.step,
        "line": request.line,
        "text": arguments["text"],
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
