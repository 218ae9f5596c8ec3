"""`http` as an activity: what a program gets, what its row says, and what a worker's death does to it."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog
from temporalio.testing import ActivityEnvironment

from codeai.activities.effects.http import HttpEffects
from codeai.activities.notes import write_notes_of
from codeai.activities.secrets import Secrets
from codeai.activities.unsealing import Keys
from codeai.integration.client import outbound_client
from codeai.persistence.engine import Database
from codeai.persistence.executions import Executions, NewExecution
from codeai.persistence.logs import Logs
from codeai.persistence.pages import Page
from codeai.persistence.steps import Step, Steps
from codeai.settings import OutboundSettings
from codeai.targets import Target
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.http import HttpInput, HttpResult
from codeai.workflows.contracts.steps import LogLine, Notes, SecretText, StepBegun
from codeai.workflows.states import step_id
from tests.activities.sites import Asked, answer, site
from tests.activities.test_records import AT
from tests.activities.test_secrets import PRIVATE, VALUE, store

RUN = str(uuid.UUID(int=11))
BEGUN = AT.timestamp()


@pytest.fixture
async def effects(database: Database) -> AsyncIterator[HttpEffects]:
    """As a worker has them, with loopback opened; the run has its row."""
    async with database.transaction() as rows:
        await Executions(rows).open(NewExecution(RUN, "by hand", AT, triggered_by="ada"))
    async with outbound_client(OutboundSettings(allow=(Target.read("127.0.0.1"),))) as client:
        yield HttpEffects(database, client, Secrets(database, Keys([PRIVATE])))


def asking(url: str | SecretText, method: str = "GET", seq: int = 3, **more: Any) -> HttpInput:
    shown = url.partition("?")[0] if isinstance(url, str) else "https://***"
    step = StepBegun(
        step_id=step_id(RUN, str(seq)),
        seq=seq,
        kind="http",
        line=2,
        command=f"{method} {shown}",
        arguments={"method": method},
        started_at=BEGUN,
    )
    return HttpInput(execution_id=RUN, step=step, method=method, url=url, **more)


async def done(effects: HttpEffects, given: HttpInput) -> HttpResult:
    result: HttpResult = await ActivityEnvironment().run(effects.http_request, given)
    return result


async def failed(effects: HttpEffects, given: HttpInput) -> RunError:
    error = (await done(effects, given)).error
    assert error is not None
    return error


async def row(effects: HttpEffects) -> Step:
    async with effects.database.session() as rows:
        (step,) = (await Steps(rows).of(RUN, Page())).items
    return step


async def begin_elsewhere(effects: HttpEffects, given: HttpInput) -> None:
    """What a worker had done when it died."""
    async with effects.database.transaction() as rows:
        await write_notes_of(rows, RUN, Notes(begun=(given.step,)))


async def test_an_answer_is_a_value_and_stands_in_the_steps_row(effects: HttpEffects) -> None:
    body = '{"n": 1.0, "$exec": ["x"]}'
    async with site(lambda *_: answer(200, body, Content_Type="application/json", X_A="1", x_a="2")) as there:
        given = asking(
            f"{there.origin}/a?b=c",
            "POST",
            body="{}",
            notes=Notes(lines=(LogLine(step_id=step_id(RUN, "2"), level="info", text="began", time=BEGUN),)),
        )
        result = await done(effects, given)
    assert result.value == {
        "status": 200,
        "headers": {"content-type": "application/json", "x-a": "1, 2", "content-length": str(len(body))},
        "body": body,
        "json": {"n": 1.0, "$exec": ["x"]},
    }
    step = await row(effects)
    assert (step.kind, step.status, step.command) == ("http", "succeeded", f"POST {there.origin}/a")
    assert json.loads(step.arguments or "") == {"method": "POST"}
    assert json.loads(step.result or "")["value"]["body"] == body
    async with effects.database.session() as rows:
        assert [line.text for line in await Logs(rows).after(RUN)] == ["began\n"]


@pytest.mark.parametrize(
    ("body", "kind", "text", "plain"),
    [
        (b"caf\xe9", "text/plain; charset=ISO-8859-1", "caf\u00e9", None),
        (b"caf\xe9", "text/plain", "caf\ufffd", None),
        (b"caf\xe9", "text/plain; charset=nonsense", "caf\ufffd", None),
        (b"a\0b", "text/plain", "a\ufffdb", None),
        (b"+2AA-", "text/plain; charset=utf-7", "\ufffd", None),  # half a character
        (b"a-", "text/plain; charset=punycode", "a-", None),
        (b"\xef\xbb\xbf[1]", "application/json", "[1]", [1]),
        (b"[1, NaN]", "application/json", "[1, NaN]", None),
        (b"[9223372036854775808]", "application/json", "[9223372036854775808]", None),
        (b'{"a": 1, "a": 2}', "application/json", '{"a": 1, "a": 2}', None),
        (b"[" * 200 + b"]" * 200, "application/json", "[" * 200 + "]" * 200, None),
        (b"", "application/json", "", None),
        (b"true", "text/plain", "true", True),
    ],
)
async def test_bodies_are_text_and_perhaps_json(
    effects: HttpEffects, body: bytes, kind: str, text: str, plain: Any
) -> None:
    async with site(lambda *_: answer(200, body, Content_Type=kind)) as there:
        value = (await done(effects, asking(there.origin))).value
    assert value is not None
    assert (value["body"], value["json"]) == (text, plain)


async def test_a_status_of_400_or_more_is_an_error(effects: HttpEffects) -> None:
    async with site(
        lambda *_: answer(404, '{"why": "no such tag"}', content_type="application/json")
    ) as there:
        error = await failed(effects, asking(f"{there.origin}/tags?key=hidden"))
    assert error.model_dump(exclude_none=True) == {
        "kind": "http_failed",
        "message": f'GET {there.origin}/tags answered 404 Not Found: {{"why": "no such tag"}}',
        "line": 2,
    }
    step = await row(effects)
    assert step.status == "failed"
    assert json.loads(step.result or "") == {"error": error.model_dump(exclude_none=True)}


@pytest.mark.parametrize("status", [404, 503, 599])
async def test_unchecked_it_is_a_value(effects: HttpEffects, status: int) -> None:
    async with site(lambda *_: answer(status, "no", content_type="text/html")) as there:
        value = (await done(effects, asking(there.origin, check=False, retry=0))).value
        assert value is not None and value["status"] == status
        error = await failed(effects, asking(there.origin, seq=4, retry=0))
    assert error.message.endswith({404: "404 Not Found", 503: "503 Service Unavailable", 599: "599"}[status])


async def test_what_is_refused_and_what_is_not_there(effects: HttpEffects) -> None:
    async with site(lambda *_: answer()) as gone:
        pass
    refused = await failed(effects, asking("http://10.0.0.1/x?y"))
    assert refused.kind == "http_failed"
    assert refused.message.startswith("GET http://10.0.0.1/x: this address is not on the public internet")
    away = await failed(effects, asking(f"{gone.origin}/", seq=4))
    assert away.kind == "http_failed"
    assert "cannot connect" in away.message and away.message.endswith("(3 attempts)")


async def test_a_server_that_does_not_answer_in_time(effects: HttpEffects) -> None:
    forever = asyncio.Event()

    async def wait(number: int, asked: Asked) -> bytes:
        await forever.wait()
        return answer()

    async with site(wait) as there:
        error = await failed(effects, asking(there.origin, timeout=0.3, retry=0))
        forever.set()
    assert (error.kind, (await row(effects)).status) == ("timeout", "timeout")


@pytest.mark.parametrize(
    "body", ["x" * 262_144, '"' + "x" * 140_000 + '"'], ids=["text", "as text and as JSON"]
)
async def test_an_answer_that_no_program_can_hold(effects: HttpEffects, body: str) -> None:
    async with site(lambda *_: answer(200, body)) as there:
        error = await failed(effects, asking(there.origin))
    assert error.kind == "limit"
    assert "262,144 bytes" in error.message and "let a command fetch it" in error.message
    assert (await row(effects)).status == "failed"


async def test_a_large_answer_that_fits(effects: HttpEffects) -> None:
    async with site(lambda *_: answer(200, "x" * 261_000)) as there:
        value = (await done(effects, asking(there.origin))).value
    assert value is not None and len(value["body"]) == 261_000


# A worker's death


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_repeat_gives_the_answer_that_is_known(effects: HttpEffects, method: str) -> None:
    async with site(lambda number, _: answer(200, f'{{"n": {number}, "$map": 1}}')) as there:
        first = await done(effects, asking(there.origin, method))
        again = await done(effects, asking(there.origin, method))
    assert again == first
    assert len(there.asked) == 1


async def test_a_repeat_gives_the_error_that_is_known(effects: HttpEffects) -> None:
    async with site(lambda *_: answer(400, "no")) as there:
        first = await done(effects, asking(there.origin))
        assert await done(effects, asking(there.origin)) == first
    assert len(there.asked) == 1


@pytest.mark.parametrize(
    ("method", "headers", "again"),
    [
        ("GET", {}, True),
        ("PUT", {}, True),
        ("DELETE", {}, True),
        ("POST", {}, False),
        ("PATCH", {}, False),
        ("POST", {"idempotency-key": "1"}, True),
    ],
)
async def test_a_repeat_of_what_may_have_been_sent(
    effects: HttpEffects, method: str, headers: dict[str, str], again: bool
) -> None:
    async with site(lambda *_: answer()) as there:
        given = asking(there.origin, method, headers=headers)
        await begin_elsewhere(effects, given)
        result = await done(effects, given)
        assert await done(effects, given) == result
    step = await row(effects)
    if again:
        assert (len(there.asked), step.status) == (1, "succeeded")
    else:
        assert result.error is not None
        assert (len(there.asked), step.status, result.error.kind) == (0, "lost", "lost")
        assert "nobody knows whether it arrived" in result.error.message


async def test_of_two_workers_at_once_one_sends(effects: HttpEffects) -> None:
    """A worker that was taken for dead and its follower."""
    async with site(lambda *_: answer()) as there:
        given = asking(there.origin, "POST")
        results = await asyncio.gather(*(done(effects, given) for _ in range(4)))
    assert len(there.asked) == 1
    assert {one.error.kind for one in results if one.error} <= {"lost"}


async def test_a_cancelled_request_ends_at_once(effects: HttpEffects) -> None:
    forever = asyncio.Event()

    async def wait(number: int, asked: Asked) -> bytes:
        await forever.wait()
        return answer()

    async with site(wait) as there:
        environment = ActivityEnvironment()
        beats: list[Any] = []
        environment.on_heartbeat = beats.append
        sending = asyncio.ensure_future(environment.run(effects.http_request, asking(there.origin, "POST")))
        await there.came.wait()
        environment.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        forever.set()
    assert (await row(effects)).status == "cancelled"


async def test_an_answer_is_written_though_the_database_is_away(
    effects: HttpEffects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And though the request is cancelled meanwhile: what a POST has done is known nowhere else."""
    tried, back, real = asyncio.Event(), asyncio.Event(), Steps.ended

    async def ended(self: Steps, *given: Any, **more: Any) -> None:
        if not back.is_set():
            tried.set()
            raise OSError("away")
        await real(self, *given, **more)

    monkeypatch.setattr(Steps, "ended", ended)
    async with site(lambda *_: answer(200, "done")) as there:
        environment = ActivityEnvironment()
        sending = asyncio.ensure_future(environment.run(effects.http_request, asking(there.origin, "POST")))
        await tried.wait()
        environment.cancel()
        await asyncio.sleep(0)
        back.set()
        result = await sending
    assert result.value is not None and result.value["body"] == "done"
    assert (await row(effects)).status == "succeeded"


async def test_a_worker_that_stops_leaves_it_to_the_next(effects: HttpEffects) -> None:
    forever = asyncio.Event()

    async def wait(number: int, asked: Asked) -> bytes:
        await forever.wait()
        return answer()

    async with site(wait) as there:
        given = asking(there.origin, "POST")
        sending = asyncio.ensure_future(done(effects, given))
        await there.came.wait()
        sending.cancel()  # nobody has asked for it: the worker ends
        await asyncio.gather(sending, return_exceptions=True)
        assert (await row(effects)).status == "running"
        assert (await failed(effects, given)).kind == "lost"
        forever.set()


# Secrets

TOKEN = SecretText(parts=(("text", "Bearer "), ("secret", "token")))


def echo(number: int, asked: Asked) -> bytes:
    """Gives away all it was told."""
    body = json.loads(asked.body) if asked.body else None
    said = json.dumps({"target": asked.target, "headers": asked.headers, "body": body})
    return answer(200, said, content_type="application/json", x_told=asked.headers.get("authorization", ""))


async def test_secrets_reach_the_server_and_nobody_else(effects: HttpEffects) -> None:
    await store(effects.database, "token", 'S3cr3t "quoted" token')
    async with site(echo) as there:
        given = asking(
            SecretText(parts=(("text", f"{there.origin}/x?key="), ("secret", "plain"))),
            "POST",
            headers={"authorization": SecretText(parts=(("text", "Bearer "), ("secret", "plain")))},
            body=SecretText(parts=(("text", '{"t":"a '), ("secret_in_json", "token"), ("text", '"}'))),
        )
        await store(effects.database, "plain", "plain-s3cr3t")
        with structlog.testing.capture_logs() as lines:
            result = await done(effects, given)
    (asked,) = there.asked
    assert asked.target == "/x?key=plain-s3cr3t"
    assert asked.headers["authorization"] == "Bearer plain-s3cr3t"
    assert json.loads(asked.body) == {"t": 'a S3cr3t "quoted" token'}
    assert result.value is not None
    assert result.value["headers"]["x-told"] == "Bearer ***"
    assert result.value["json"]["target"] == "/x?key=***"
    assert result.value["json"]["body"] == {"t": "a ***"}
    shown = f"{result} {await row(effects)} {lines}"
    assert "s3cr3t" not in shown and "S3cr3t" not in shown


async def test_errors_show_no_secret(effects: HttpEffects) -> None:
    await store(effects.database, "token", "plain-s3cr3t")

    def reply(number: int, asked: Asked) -> bytes:
        return answer(403, f"bad token {asked.headers['authorization']}", content_type="text/plain")

    async with site(reply) as there:
        error = await failed(effects, asking(there.origin, headers={"authorization": TOKEN}))
    assert error.message.endswith("answered 403 Forbidden: bad token Bearer ***")
    unknown = SecretText(parts=(("text", "http://127.0.0.1:1/"), ("secret", "token")))
    assert "s3cr3t" not in (await failed(effects, asking(unknown, seq=4))).message


async def test_what_an_earlier_step_had_is_not_shown(effects: HttpEffects) -> None:
    """It may have left it on the server."""
    await store(effects.database, "token", "plain-s3cr3t")
    async with site(lambda *_: answer(200, "it is plain-s3cr3t")) as there:
        value = (await done(effects, asking(there.origin, hidden=("token",)))).value
    assert value is not None and value["body"] == "it is ***"


async def test_a_secret_goes_to_its_origin_only(effects: HttpEffects) -> None:
    await store(effects.database, "token")
    async with site(echo) as other, site(lambda *_: answer(307, location=other.origin)) as first:
        await done(effects, asking(first.origin, headers={"x-key": TOKEN}))
        body = await failed(effects, asking(first.origin, "POST", seq=4, body=TOKEN))
    assert "x-key" in first.asked[0].headers and "x-key" not in other.asked[0].headers
    assert "must not get the secret" in body.message
    assert len(other.asked) == 1


@pytest.mark.parametrize(
    ("secret", "more", "kind", "words"),
    [
        (None, {}, "not_found", "there is no secret 'token'"),
        (VALUE, {"use_secrets": False}, "value_error", "may not use secrets"),
        (VALUE + "\nX-Other: 1", {}, "value_error", "line end"),
    ],
)
async def test_a_secret_that_cannot_be_sent(
    effects: HttpEffects, secret: str | None, more: dict[str, Any], kind: str, words: str
) -> None:
    if secret is not None:
        await store(effects.database, "token", secret)
    async with site(echo) as there:
        error = await failed(effects, asking(there.origin, headers={"authorization": TOKEN}, **more))
    assert error.kind == kind and words in error.message
    assert VALUE not in error.message
    assert there.asked == []
    assert (await row(effects)).status == "failed"
