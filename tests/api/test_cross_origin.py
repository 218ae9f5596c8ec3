"""Pages of other origins: refused, but those that the setting names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest

from codeai.stack.postgres import free_port
from tests.api.conftest import Served, bearer, serving
from tests.api.test_edge import problem

CONSOLE = "https://console.example"
PAGE = {"Origin": CONSOLE, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
ASKS = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,if-match"}


@pytest.fixture(scope="module")
async def shared(served: Served) -> AsyncIterator[Served]:
    """The API with a console on another origin."""
    server = replace(served.settings.server, port=free_port(), cors_origins=(CONSOLE,))
    settings = replace(served.settings, server=server)
    async with serving(settings):
        yield replace(served, url=f"http://127.0.0.1:{server.port}", settings=settings)


def cors(answer: httpx2.Response) -> set[str]:
    return {name for name in answer.headers if name.startswith("access-control-")}


async def test_nobody_is_let_in_unless_it_is_set(served: Served) -> None:
    async with served.client("admin") as client:
        for method, headers in (("GET", PAGE), ("OPTIONS", PAGE | ASKS)):
            answer = await client.request(method, "/me", headers=headers)
            problem(answer, "cross_site")
            assert not cors(answer)
            assert "vary" not in answer.headers


async def test_a_page_of_a_named_origin_reads_and_changes(shared: Served) -> None:
    async with shared.client("admin") as client:
        for answer in (
            await client.get("/me", headers=PAGE),
            await client.put("/roles/of-a-page", json={}, headers=PAGE),
        ):
            assert answer.status_code == 200, answer.text
            assert answer.headers["access-control-allow-origin"] == CONSOLE
            assert "ETag" in answer.headers["access-control-expose-headers"]
            assert answer.headers["vary"] == "Origin"
            assert "access-control-allow-credentials" not in answer.headers
        async with client.stream("GET", "/events/stream", headers=PAGE) as stream:
            assert stream.headers["access-control-allow-origin"] == CONSOLE


async def test_it_is_told_what_it_may_send_without_a_token(shared: Served) -> None:
    async with shared.client() as nobody:
        answer = await nobody.options("/roles/of-a-page", headers=PAGE | ASKS)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == CONSOLE
    assert "PUT" in answer.headers["access-control-allow-methods"].split(", ")
    told = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "if-match", "idempotency-key", "last-event-id", "content-type"} <= set(told)
    assert answer.headers["x-request-id"] and answer.headers["x-content-type-options"] == "nosniff"


async def test_it_reads_what_is_wrong(shared: Served) -> None:
    """Also what the edge refuses by itself: a page must be able to say why."""
    async with shared.client() as client:
        for code, answer in (
            ("unauthenticated", await client.get("/me", headers=PAGE)),
            ("not_found", await client.get("/nowhere", headers=PAGE | bearer("admin"))),
            ("method_not_allowed", await client.options("/me", headers=PAGE)),
            ("url_too_long", await client.get("/me?" + "x" * 20_000, headers=PAGE)),
        ):
            problem(answer, code)
            assert answer.headers["access-control-allow-origin"] == CONSOLE


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://console.example",
        "https://console.example:8443",
        "https://console.example.evil.example",
        "https://Console.example",
        "null",
    ],
)
async def test_nobody_else_is_let_in(shared: Served, origin: str) -> None:
    async with shared.client("admin") as client:
        for answer in (
            await client.get("/me", headers=PAGE | {"Origin": origin}),
            await client.options("/me", headers=PAGE | ASKS | {"Origin": origin}),
            await client.get("/me", headers=[*PAGE.items(), ("Origin", origin)]),
        ):
            problem(answer, "cross_site")
            assert not cors(answer)


async def test_a_host_is_looked_at_first(shared: Served) -> None:
    async with shared.client() as nobody:
        answer = await nobody.options("/me", headers=PAGE | ASKS | {"Host": "evil.example"})
    problem(answer, "wrong_host")
