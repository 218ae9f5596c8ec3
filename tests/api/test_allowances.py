"""One caller cannot take everything: requests a second, open streams; what one key makes, it makes once."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest

from codeai.api.allowances import STREAMS, Allowances
from codeai.api.problems import Refused
from codeai.stack.postgres import free_port
from tests.api.conftest import Served, bearer, serving
from tests.api.test_edge import problem


def taken(allowances: Allowances, times: int, subject: str = "ann") -> int:
    """How many of so many requests at once are let through."""
    through = 0
    for _ in range(times):
        with contextlib.suppress(Refused):
            allowances.request(subject)
            through += 1
    return through


def test_a_burst_is_let_through_and_then_as_many_as_come_back_in_a_second() -> None:
    now = 0.0
    allowances = Allowances((50, 100), lambda: now)
    assert taken(allowances, 300) == 100
    now = 1.0
    assert taken(allowances, 300) == 50
    now = 1000.0
    assert taken(allowances, 300) == 100  # a rest gives the burst back, and no more


def test_callers_do_not_take_from_each_other() -> None:
    allowances = Allowances((1, 2), lambda: 0.0)
    assert (taken(allowances, 5, "ann"), taken(allowances, 5, "ben")) == (2, 2)


def test_who_is_refused_is_told_when_to_come_again() -> None:
    allowances = Allowances((1, 3), lambda: 0.0)
    assert taken(allowances, 3) == 3
    with pytest.raises(Refused) as refused:
        allowances.request("ann")
    assert refused.value.status == 429 and refused.value.headers["Retry-After"] == "1"


def test_without_a_rate_nobody_waits() -> None:
    assert taken(Allowances(None), 1000) == 1000


def test_a_stream_that_is_closed_makes_room() -> None:
    allowances = Allowances(None)
    with contextlib.ExitStack() as open_streams:
        for _ in range(STREAMS):
            open_streams.enter_context(allowances.stream("ann"))
        with pytest.raises(Refused, match="too_many_streams"), allowances.stream("ann"):
            pass
        with allowances.stream("ben"):
            pass
    with allowances.stream("ann"):
        pass


@pytest.fixture
async def paced(served: Served) -> AsyncIterator[str]:
    """The URL of an API whose callers have ten requests at once and one a second."""
    server = replace(served.settings.server, port=free_port(), rate=(1, 10))
    async with serving(replace(served.settings, server=server)):
        yield f"http://127.0.0.1:{server.port}"


async def test_too_many_requests_are_answered_by_a_problem(paced: str) -> None:
    async with httpx2.AsyncClient(base_url=paced, headers=bearer("viewer")) as client:
        answers = [await client.get("/me") for _ in range(30)]
        assert sum(answer.status_code == 200 for answer in answers) in range(10, 15)
        refused = next(answer for answer in answers if answer.status_code == 429)
        problem(refused, "rate_limited")
        assert int(refused.headers["retry-after"]) >= 1
    async with httpx2.AsyncClient(base_url=paced, headers=bearer("viewer", subject="another")) as other:
        assert (await other.get("/me")).status_code == 200
        assert (await other.get("/health/live")).status_code == 200


async def test_the_twenty_first_stream_is_refused_until_one_ends(served: Served) -> None:
    subject = f"reader-{uuid.uuid4()}"
    async with contextlib.AsyncExitStack() as streams, served.client("viewer", subject=subject) as client:
        opened = [
            await streams.enter_async_context(client.stream("GET", "/events/stream")) for _ in range(STREAMS)
        ]
        assert {answer.status_code for answer in opened} == {200}
        problem(await client.get("/events/stream"), "too_many_streams")
        await opened[0].aclose()
        while True:  # the server learns by and by that its reader has gone
            async with client.stream("GET", "/events/stream") as again:
                if again.status_code == 200:
                    break
            await asyncio.sleep(0.1)


async def test_fifty_requests_with_one_key_make_one_thing(admin: httpx2.AsyncClient, served: Served) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    name = f"once-{uuid.uuid4()}"
    body = {"name": name, "content": "return 1"}
    answers = await asyncio.gather(*(admin.post("/configs", json=body, headers=key) for _ in range(50)))
    made = set()
    for answer in answers:
        assert answer.status_code in (201, 202), answer.text
        while answer.status_code == 202:
            place = answer.headers["location"]
            answer = await admin.get(place)
            assert answer.status_code == 200, answer.text
            if answer.json()["status"] == "completed":
                answer = await admin.get(answer.json()["resource"])
        made.add(answer.json()["id"])
    assert len(made) == 1
    listed = (await admin.get("/configs", params={"limit": 100})).json()["items"]
    assert [one["id"] for one in listed if one["name"] == name] == list(made)

    other_body = await admin.post("/configs", json=body | {"content": "return 2"}, headers=key)
    problem(other_body, "idempotency_key_reused")
    async with served.client("admin", subject="somebody else") as other:
        his = await other.post("/configs", json=body | {"name": f"{name}-his"}, headers=key)
    assert his.status_code == 201 and his.json()["id"] not in made
