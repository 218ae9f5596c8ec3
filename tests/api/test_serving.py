"""How the API stops, and whom it believes where a request comes from: by `codeai serve`, as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from structlog.testing import capture_logs

from codeai.settings import Settings
from codeai.stack.postgres import free_port
from tests.api.conftest import AUDIENCE, ISSUER, SECRET, Served, bearer, serving
from tests.platform import CODEAI

SLOW = 'sleep("1h")\n'


@contextlib.asynccontextmanager
async def own_process(
    settings: Settings, folder: Path
) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """`codeai serve` on the same database and Temporal: its URL and its process."""
    port = free_port()
    of = settings.database
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CODEAI_")}
    environment |= {
        "CODEAI_SERVER_PORT": str(port),
        "DATABASE_HOST": of.host,
        "DATABASE_PORT": str(of.port),
        "DATABASE_NAME": of.name,
        "CODEAI_DATABASE_API_USER": of.api_user,
        "CODEAI_DATABASE_API_PASSWORD": str(of.api_password),
        "TEMPORAL_ADDRESS": settings.temporal.address,
        "JWT_SECRET": SECRET,
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "LOG_OUTPUT": str(folder / "api.log"),
    }
    process = await asyncio.create_subprocess_exec(CODEAI, "serve", env=environment, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx2.AsyncClient() as asking:
            while True:
                assert process.returncode is None, (folder / "api.log").read_text()
                with contextlib.suppress(httpx2.TransportError):
                    await asking.get(f"{url}/health/live")
                    break
                await asyncio.sleep(0.05)
        yield url, process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_who_stops_finishes_what_was_asked(served: Served, tmp_path: Path) -> None:
    """SIGTERM while a body comes in, a result is waited for and streams are read: each gets its answer, the process
    ends with 0."""
    async with (
        own_process(served.settings, tmp_path) as (url, process),
        httpx2.AsyncClient(base_url=url, headers=bearer("admin"), timeout=60) as client,
        client.stream("GET", "/events/stream") as events,
    ):
        run = (await client.post("/executions", json={"program": SLOW})).json()["id"]
        waits = asyncio.create_task(client.post("/executions", json={"program": SLOW, "wait": True}))
        async with client.stream("GET", f"/executions/{run}/logs?follow=true") as log:
            said = [log.aiter_lines(), events.aiter_lines()]
            assert [await anext(lines) for lines in said] == ["retry: 1000"] * 2
            begun = asyncio.Event()

            async def body() -> AsyncIterator[bytes]:
                yield b'{"content": '
                begun.set()
                while not waits.done():  # it is answered because the server stops
                    await asyncio.sleep(0.02)
                yield b'"log 1"}'

            comes_in = asyncio.create_task(
                client.post("/configs/validate", content=body(), headers={"Content-Type": "application/json"})
            )
            await begun.wait()
            await client.get("/me")  # what was sent before is there
            process.send_signal(signal.SIGTERM)
            for lines in said:
                assert [line async for line in lines if line][-1] == "retry: 1000"
        answers = await waits, await comes_in
        assert await asyncio.wait_for(process.wait(), 30) == 0
    assert [answer.status_code for answer in answers] == [202, 200]
    assert answers[0].json()["status"] == "queued"
    assert "Traceback" not in (tmp_path / "api.log").read_text()
    async with served.client("admin") as admin:
        for id in (run, answers[0].json()["id"]):
            await admin.post(f"/executions/{id}/cancel")


async def test_what_does_not_end_in_time_is_refused(served: Served) -> None:
    settings = replace(served.settings, server=replace(served.settings.server, port=free_port()))
    token = bearer("admin")["Authorization"]
    async with serving(settings):
        reader, writer = await asyncio.open_connection("127.0.0.1", settings.server.port)
        writer.write(
            "POST /configs/validate HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
            f"Authorization: {token}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n".encode()
        )
        await reader.readuntil(b"100 Continue\r\n\r\n")  # the body is waited for, and never comes
    said = await reader.read()
    writer.close()
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b'"code":"stopping"' in said


@pytest.mark.parametrize(
    ("trusted", "forwarded", "client"),
    [
        ((), "203.0.113.7", "127.0.0.1"),
        (("192.0.2.1",), "203.0.113.7", "127.0.0.1"),
        (("127.0.0.1",), "203.0.113.7", "203.0.113.7"),
        (("127.0.0.0/8",), "203.0.113.7", "203.0.113.7"),
        # What stands before the last one that is not ours was said by the client himself.
        (("127.0.0.1", "192.0.2.1"), "10.9.9.9, 203.0.113.7, 192.0.2.1", "203.0.113.7"),
        (("127.0.0.1",), "", "127.0.0.1"),
    ],
)
async def test_a_client_s_address_is_a_trusted_proxy_s_word_only(
    served: Served, trusted: tuple[str, ...], forwarded: str, client: str
) -> None:
    server = replace(served.settings.server, port=free_port(), trusted_proxies=trusted)
    settings = replace(served.settings, server=server)
    headers = bearer("viewer") | {"X-Forwarded-For": forwarded, "X-Forwarded-Host": "evil.example"}
    async with serving(settings), httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as asking:
        with capture_logs() as lines:
            answer = await asking.get("/me", headers=headers)
    assert answer.status_code == 200
    assert [line["client"] for line in lines if line["event"] == "request"] == [client]


async def test_another_address_is_no_other_caller(served: Served) -> None:
    """Who asks too often is known by his token, wherever he says that he comes from."""
    server = replace(served.settings.server, port=free_port(), trusted_proxies=("127.0.0.1",), rate=(1, 2))
    settings = replace(served.settings, server=server)
    async with (
        serving(settings),
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", headers=bearer("viewer")) as asking,
    ):
        answers = [
            (await asking.get("/me", headers={"X-Forwarded-For": f"203.0.113.{at}"})).status_code
            for at in range(8)
        ]
    assert answers[0] == 200
    assert 429 in answers


async def test_a_port_in_use_is_told_in_one_line(served: Served, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CODEAI_")}
    environment |= {
        "CODEAI_SERVER_PORT": str(served.settings.server.port),
        "JWT_SECRET": SECRET,
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "TEMPORAL_ADDRESS": served.settings.temporal.address,
        "LOG_OUTPUT": str(tmp_path / "api.log"),
    }
    process = await asyncio.create_subprocess_exec(
        CODEAI, "serve", env=environment, cwd=tmp_path, stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1
    assert said.decode().startswith(f"codeai: cannot listen at 127.0.0.1:{served.settings.server.port}")
    assert len(said.decode().splitlines()) == 1
