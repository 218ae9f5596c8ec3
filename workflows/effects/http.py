"""`http`: one request through the integration client, as an activity that ends the step's row itself."""

from __future__ import annotations

from codeai.dsl.faults import Fault
from codeai.dsl.requests import EffectResult, Request
from codeai.dsl.values import ErrorValue
from codeai.workflows import calls
from codeai.workflows.contracts.steps import SecretText
from codeai.workflows.effects.events import refused
from codeai.workflows.effects.http_request import http_input
from codeai.workflows.effects.under_way import Effects, Given


async def http(effects: Effects, request: Request) -> Given:
    try:
        given = http_input(
            request,
            lambda line, arguments: effects.begun(request, line, arguments),
            execution_id=effects.run.record.id,
            use_secrets=effects.run.use_secrets,
        )
        texts = (given.url, given.body, *given.headers.values())
        hidden = effects.hide(text for text in texts if isinstance(text, SecretText))
        given = await effects.with_notes(given.model_copy(update={"hidden": hidden}))
    except Fault as fault:
        return EffectResult(error=ErrorValue(fault.kind, fault.message, request.line))
    try:
        await effects.outbox.room_for(given)
        answer = await calls.send_http(given)
    except BaseException:
        # Cancelled: whether it begins is not waited for, and what it took along may never have arrived.
        effects.notes.restore(given.notes)
        effects.notes.begin(given.step)
        effects.note_end_of(request)
        raise
    return refused(answer.error, request.line) or EffectResult(answer.value), True
