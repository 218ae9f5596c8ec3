"""`http`: a program's request, sent at most once where sending it twice could do harm."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from temporalio import activity

from codeai.activities.canonical import canonical
from codeai.activities.effects.http_answers import answer_value, excerpt
from codeai.activities.heartbeats import heartbeats
from codeai.activities.holding import until_it_holds
from codeai.activities.notes import new_step, write_notes_of
from codeai.activities.secrets import NotOpened, Purpose, Secrets
from codeai.dsl.faults import Fault
from codeai.dsl.journal import result_from_plain, result_to_plain
from codeai.dsl.requests import EffectResult
from codeai.dsl.values import ErrorValue
from codeai.integration.client import Client
from codeai.integration.exchange import Answer, Sending
from codeai.integration.policy import is_safe_to_repeat
from codeai.integration.unanswered import Unanswered, Why
from codeai.persistence.base import now
from codeai.persistence.engine import Database
from codeai.persistence.steps import Steps
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.http import HttpInput, HttpResult
from codeai.workflows.contracts.steps import SecretText

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class HttpEffects:
    """The activity of programs that sends requests."""

    database: Database
    client: Client
    secrets: Secrets

    @activity.defn(name="http_request")
    async def http_request(self, given: HttpInput) -> HttpResult:
        async with heartbeats():
            known = await self._begin(given)
            if known is not None:
                return known
            try:
                result = await self._perform(given)
            except asyncio.CancelledError:
                details = activity.cancellation_details()
                if details is not None and details.cancel_requested:
                    await self._end(given, _failed(given, "cancelled", "it was cancelled"))
                raise
            await self._end(given, result)
            return result

    async def _begin(self, given: HttpInput) -> HttpResult | None:
        """Notes that it begins. Another worker may have done so: its answer, where it is known, is the answer; where
        it is not, the request may have been sent, and only one that is safe to repeat is sent again."""
        async with self.database.transaction() as rows:
            await write_notes_of(rows, given.execution_id, given.notes)
            steps = Steps(rows)
            if await steps.started(new_step(given.execution_id, given.step)):
                return None
            known = await steps.result_of(given.step.step_id)
        if known is not None:
            return _read(known)
        if is_safe_to_repeat(given.method, given.headers):
            return None
        lost = _failed(
            given,
            "lost",
            "its worker died, so nobody knows whether it arrived; it is not sent again, because a "
            f"{given.method} may do its work twice (with an Idempotency-Key among the headers it would be)",
        )
        await self._end(given, lost)
        return lost

    async def _end(self, given: HttpInput, result: HttpResult) -> None:
        """Notes how it ended, however long the database is away, and cancelled or not: the answer is known nowhere
        else."""
        status, text, at = _status(result), canonical(_plain(result)), now()

        async def write() -> None:
            async with self.database.single() as rows:
                await Steps(rows).ended(given.step.step_id, 1, status, completed_at=at, result=text)

        writing = asyncio.ensure_future(until_it_holds(write, "ended"))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await writing

    async def _perform(self, given: HttpInput) -> HttpResult:
        """Sends it and says what came back, without any secret."""
        step = given.step
        purpose = Purpose(given.execution_id, step.step_id, 1, step.line, allowed=given.use_secrets)
        try:
            opened = await self.secrets.open(_secret_texts(given), purpose, given.hidden)
        except NotOpened as problem:
            return HttpResult(error=problem.error)
        mask = opened.masker.mask
        asked = _sending(given, opened.texts)
        for name, value in asked.headers.items():
            if _CONTROL.search(value):
                message = f'the secret in the header "{name}" has a line end or control character in it'
                return _failed(given, "value_error", message)
        try:
            answer = await self.client.send(asked)
        except Unanswered as failure:
            kind = "timeout" if failure.why is Why.TIMEOUT else "http_failed"
            return _failed(given, kind, mask(_reason(failure)))
        if given.check and answer.status >= 400:
            return _failed(given, "http_failed", _refusal(answer, mask), " answered ")
        try:
            return HttpResult(value=answer_value(answer, mask))
        except Fault as fault:
            return _failed(given, fault.kind, fault.message)

    def activities(self) -> list[Callable[..., Any]]:
        return [self.http_request]


def _secret_texts(given: HttpInput) -> dict[str, SecretText]:
    """What the secrets' owner has to put together, under the names that `_sending` looks for."""
    found = {
        f"header {name}": value for name, value in given.headers.items() if isinstance(value, SecretText)
    }
    if isinstance(given.url, SecretText):
        found["url"] = given.url
    if isinstance(given.body, SecretText):
        found["body"] = given.body
    return found


def _sending(given: HttpInput, texts: Mapping[str, str]) -> Sending:
    """The request as it leaves, secrets and all."""
    secret = [name for name, value in given.headers.items() if isinstance(value, SecretText)]
    body = given.body if given.body is None or isinstance(given.body, str) else texts["body"]
    return Sending(
        method=given.method,
        url=given.url if isinstance(given.url, str) else texts["url"],
        shown=given.step.command,
        headers={
            name: (value if isinstance(value, str) else texts[f"header {name}"]).strip()
            for name, value in given.headers.items()
        },
        body=None if body is None else body.encode(),
        timeout=given.timeout,
        retry=given.retry,
        private=frozenset(secret),
        private_body=isinstance(given.body, SecretText),
        any_status=not given.check,
    )


def _reason(failure: Unanswered) -> str:
    return failure.reason + (f" ({failure.attempts} attempts)" if failure.attempts > 1 else "")


def _refusal(answer: Answer, mask: Callable[[str], str]) -> str:
    """Such as `404 Not Found: no such tag`."""
    try:
        words = f"{answer.status} {HTTPStatus(answer.status).phrase}"
    except ValueError:
        words = str(answer.status)
    said = excerpt(answer, mask)
    return f"{words}: {said}" if said else words


def _failed(given: HttpInput, kind: str, message: str, between: str = ": ") -> HttpResult:
    error = RunError(kind=kind, message=given.step.command + between + message, line=given.step.line)
    return HttpResult(error=error)


def _status(result: HttpResult) -> str:
    if result.error is None:
        return "succeeded"
    return result.error.kind if result.error.kind in ("timeout", "lost", "cancelled") else "failed"


def _plain(result: HttpResult) -> dict[str, Any]:
    """As a step's row has it."""
    error = result.error
    if error is None:
        return result_to_plain(EffectResult(result.value))
    return result_to_plain(EffectResult(error=ErrorValue(error.kind, error.message, error.line)))


def _read(row: str) -> HttpResult:
    """What `_plain` was given."""
    known = result_from_plain(json.loads(row))
    if known.error is None:
        return HttpResult(value=known.value)
    error = RunError(kind=known.error.kind, message=known.error.message, line=known.error.line)
    return HttpResult(error=error)
