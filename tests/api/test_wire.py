"""What comes in at the port and is no proper HTTP, or hardly: a problem each, never a 5xx."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from codeai.api.problems import PROBLEMS
from tests.api.conftest import Served, bearer

HOST = b"Host: localhost\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def get(target: bytes, *headers: bytes) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"".join(one + b"\r\n" for one in headers) + b"\r\n"


def post(*headers: bytes, body: bytes = b"") -> bytes:
    """A program to be looked at, by an admin."""
    token = bearer("admin")["Authorization"].encode()
    head = b"POST /configs/validate HTTP/1.1\r\n" + HOST + b"Authorization: " + token + b"\r\n"
    return head + b"Content-Type: application/json\r\n" + b"".join(headers) + b"\r\n" + body


async def answer_to(served: Served, *pieces: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the first answer to these bytes."""
    at = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await asyncio.wait_for(reader.readexactly(int(headers["content-length"])), 30)
        return int(head[0].split()[1]), headers, body
    finally:
        writer.close()


NO_HTTP = {
    "noise": b"\x00\xff\x16\x03\x01hello\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a10303") + b"x" * 100,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a version to come": b"GET /me HTTP/9.9\r\n" + HOST + b"\r\n",
    "an unknown method": b"FROB /me HTTP/1.1\r\n" + HOST + b"\r\n",
    "bare line feeds": b"GET /me HTTP/1.1\nHost: localhost\n\n",
    "a header without a colon": get(b"/me", b"X"),
    "a blank before the colon": get(b"/me", b"X : a"),
    "a folded header": get(b"/me", b"X: a", b" b"),
    "U+0000 in a header": get(b"/me", b"X: a\x00b"),
    "U+0000 in the path": get(b"/configs/a\x00b"),
    "no slash": get(b"me"),
    "a blank in the path": get(b"/me x"),
    "UTF-8 in the path": get("/configs/ä".encode()),
    "UTF-8 in the query": get("/configs?filter=ä".encode()),
    "a host for a path": b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "two lengths": post(b"Content-Length: 2\r\nContent-Length: 3\r\n", body=b"{}"),
    "a length below zero": post(b"Content-Length: -2\r\n", body=b"{}"),
    "an endless length": post(b"Content-Length: 99999999999999999999999\r\n", body=b"{}"),
    "length and chunks": post(b"Content-Length: 2\r\n", CHUNKED, body=b"2\r\n{}\r\n0\r\n\r\n"),
    "no chunk": post(CHUNKED, body=b"zz\r\n{}\r\n0\r\n\r\n"),
    "an endless chunk": post(CHUNKED, body=b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
    "an unknown transfer coding": post(b"Transfer-Encoding: gzip\r\n", body=b"{}"),
}


@pytest.mark.parametrize("sent", NO_HTTP.values(), ids=NO_HTTP.keys())
async def test_what_is_no_http_is_refused_by_a_problem(served: Served, sent: bytes) -> None:
    refused(await answer_to(served, sent), "malformed")


TOO_LARGE = {
    "a URL": (get(b"/" + b"a" * 17_000), "url_too_long"),
    "a URL that no parser takes": (get(b"/" + b"a" * 70_000), "url_too_long"),
    "a query": (get(b"/configs?cursor=" + b"a" * 17_000), "url_too_long"),
    "a header": (get(b"/me", b"X: " + b"a" * 33_000), "headers_too_large"),
    "many headers": (get(b"/me", *[b"X: a"] * 20_000), "headers_too_large"),
    "a header without an end": (
        b"GET /me HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 200_000,
        "headers_too_large",
    ),
    "a path without an end": (b"GET /" + b"a" * 200_000, "url_too_long"),
}


@pytest.mark.parametrize(("sent", "code"), TOO_LARGE.values(), ids=TOO_LARGE.keys())
async def test_a_head_is_bounded_while_it_is_read(served: Served, sent: bytes, code: str) -> None:
    refused(await answer_to(served, *(sent[at : at + 5000] for at in range(0, len(sent), 5000))), code)


async def test_trailers_are_bounded(served: Served) -> None:
    sent = post(CHUNKED, body=b'e\r\n{"content":""}\r\n0\r\nX: ' + b"a" * 200_000)
    refused(await answer_to(served, sent), "malformed")


async def test_a_trailer_is_no_header(served: Served) -> None:
    """Else it could say what a proxy in front would not have let through as a header."""
    head = b"POST /configs/validate HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n" + CHUNKED
    token = bearer("admin")["Authorization"].encode()
    sent = head + b"\r\n" + b'e\r\n{"content":""}\r\n0\r\nAuthorization: ' + token + b"\r\n\r\n"
    refused(await answer_to(served, sent), "unauthenticated")


ODD = {
    "HTTP/1.0": (b"GET /health/live HTTP/1.0\r\n" + HOST + b"\r\n", 200),
    "no host": (b"GET /health/live HTTP/1.1\r\n\r\n", 421),
    "two hosts": (get(b"/health/live", b"Host: localhost"), 421),
    "everything": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "half a percent": (get(b"/operations/%"), 401),
    "bad UTF-8, percent-encoded": (get(b"/operations/%ff%fe"), 401),
    "a WebSocket": (get(b"/health/live", b"Connection: Upgrade", b"Upgrade: websocket"), 200),
    "HTTP/2 without TLS": (get(b"/health/live", b"Connection: Upgrade", b"Upgrade: h2c"), 200),
    "a body that nobody wants": (get(b"/health/live", b"Content-Length: 3") + b"abc", 200),
    "a compressed body": (
        post(b"Content-Encoding: gzip\r\nContent-Length: 14\r\n", body=b'{"content":""}'),
        415,
    ),
}


@pytest.mark.parametrize(("sent", "status"), ODD.values(), ids=ODD.keys())
async def test_what_is_odd_is_answered(served: Served, sent: bytes, status: int) -> None:
    assert (await answer_to(served, sent))[0] == status


async def test_two_requests_at_once_get_their_answers_in_order(served: Served) -> None:
    at = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    writer.write(get(b"/me") + get(b"/health/live", b"Connection: close"))
    said = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    assert said.index(b"401 Unauthorized") < said.index(b"200 OK")


@pytest.mark.parametrize("begun", [b"", b"GET /me HTTP/1.1\r\nX: "])
async def test_who_does_not_come_to_the_point_is_let_go(
    served: Served, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr("codeai.api.wire.HEAD_WITHIN", 0.2)
    at = urlsplit(served.url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    writer.write(begun)
    assert await asyncio.wait_for(reader.read(), 30) == b""
    writer.close()


async def test_who_leaves_in_the_middle_of_a_body_is_no_error_of_ours(served: Served) -> None:
    at = urlsplit(served.url)
    with capture_logs() as lines:
        _, writer = await asyncio.open_connection(at.hostname, at.port)
        writer.write(post(b"Content-Length: 1000\r\n", body=b'{"content":'))
        await writer.drain()
        while not any(line.get("path") == "/configs/validate" for line in lines):
            writer.close()
            await asyncio.sleep(0.02)
    assert [line["event"] for line in lines if line.get("log_level") == "error"] == []


def refused(answer: tuple[int, dict[str, str], bytes], code: str) -> None:
    status, headers, body = answer
    problem = json.loads(body)
    assert headers["content-type"] == "application/problem+json"
    assert problem["code"] == code, problem
    assert status == problem["status"] == PROBLEMS[code].status
    assert headers["x-request-id"] == problem["request_id"]
