"""What workflow code answers by itself: the time, chance, log lines, the status line, and timers."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

from codeai.dsl.requests import EffectResult, Request
from codeai.dsl.values import shown
from codeai.workflows.effects.under_way import Effects

LONGEST_STATUS = 1000


def now(_effects: Effects, _request: Request) -> EffectResult:
    return EffectResult(workflow.time())


def uuid(_effects: Effects, _request: Request) -> EffectResult:
    return EffectResult(str(workflow.uuid4()))


def random(_effects: Effects, _request: Request) -> EffectResult:
    return EffectResult(workflow.random().random())


def set_status(effects: Effects, request: Request) -> EffectResult:
    effects.status_text = shown(request.arguments["text"])[:LONGEST_STATUS]
    workflow.set_current_details(effects.status_text)
    effects.notes.says(effects.status_text)
    return EffectResult()


def log(effects: Effects, request: Request) -> EffectResult:
    level, text = (shown(request.arguments[name]) for name in ("level", "text"))
    effects.notes.log(effects.step_id(request), level, text)
    return EffectResult()


async def sleep(effects: Effects, request: Request) -> EffectResult:
    arguments: dict[str, Any] = request.arguments
    seconds = arguments["duration"]
    effects.note_begin(request, f"sleep {seconds:g} s", {"duration": seconds})
    await effects.rest(request, lambda: False, seconds)
    return EffectResult()
