"""What a request may look like before anybody asks what it wants."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import httpx2
import pytest

from codeai.api.problems import PROBLEMS, Refused
from codeai.stack.postgres import free_port
from tests.api.conftest import Served, bearer, serving


def problem(answer: httpx2.Response, code: str) -> dict[str, object]:
    """The problem document of an answer, which must be one of this code."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document: dict[str, object] = answer.json()
    assert document["code"] == code, document
    assert answer.status_code == document["status"] == PROBLEMS[code].status
    assert document["request_id"] == answer.headers["x-request-id"]
    assert document["detail"] and document["title"]
    return document


def test_what_goes_away_by_itself_says_when_to_come_again() -> None:
    for code, row in PROBLEMS.items():
        waits = row.status in (429, 503, 504)
        assert ("Retry-After" in Refused(code, "why").headers) is waits, code


async def test_a_request_that_takes_too_long_is_told_when_to_come_again(served: Served) -> None:
    server = replace(served.settings.server, port=free_port(), timeout=0.2)
    head = (
        "POST /configs/validate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: {bearer('admin')['Authorization']}\r\nContent-Length: 9\r\nConnection: close\r\n\r\n"
    )
    async with serving(replace(served.settings, server=server)):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head.encode())  # and no body
        said = await reader.read()
        writer.close()
    assert said.startswith(b"HTTP/1.1 504 ") and b'"code":"timed_out"' in said
    assert b"\r\nretry-after: 1\r\n" in said.lower()


@pytest.mark.parametrize("path", ["/configs", "/deployments", "/executions", "/me", "/operations/1"])
async def test_nothing_is_answered_without_a_token(served: Served, path: str) -> None:
    async with served.client() as nobody:
        answer = await nobody.get(path)
    problem(answer, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/docs", "/openapi.json"])
async def test_health_and_documentation_are_public(served: Served, path: str) -> None:
    async with served.client() as nobody:
        assert (await nobody.get(path)).status_code == 200


async def test_two_authorization_headers_are_refused(served: Served) -> None:
    async with served.client() as nobody:
        header = bearer("admin")["Authorization"]
        answer = await nobody.get("/me", headers=[("Authorization", header), ("Authorization", header)])
    assert "more than one" in str(problem(answer, "unauthenticated")["detail"])


async def test_a_request_id_is_taken_over_where_it_is_one(admin: httpx2.AsyncClient) -> None:
    given = await admin.get("/me", headers={"X-Request-Id": "a.request_id-1"})
    assert given.headers["x-request-id"] == "a.request_id-1"
    for bad in ("no spaces", "x" * 129, "<script>"):
        made = await admin.get("/me", headers={"X-Request-Id": bad})
        assert made.headers["x-request-id"] != bad


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80"])
async def test_other_hosts_are_refused_before_anything_is_looked_at(served: Served, host: str) -> None:
    async with served.client() as nobody:
        problem(await nobody.get("/nowhere", headers={"Host": host}), "wrong_host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:9"])
async def test_this_machine_is_a_host(served: Served, host: str) -> None:
    async with served.client() as nobody:
        assert (await nobody.get("/health/live", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
async def test_other_sites_pages_are_refused(admin: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    problem(await admin.get("/me", headers=headers), "cross_site")


async def test_a_link_to_a_page_may_be_followed(served: Served) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    async with served.client() as nobody:
        assert (await nobody.get("/docs", headers=headers)).status_code == 200


async def test_unknown_paths_and_methods_are_problems(admin: httpx2.AsyncClient) -> None:
    assert "/openapi.json" in str(problem(await admin.get("/nowhere"), "not_found")["detail"])
    answer = await admin.delete("/configs")
    assert problem(answer, "method_not_allowed")["detail"] == "this path takes GET, POST"
    assert answer.headers["allow"] == "GET, POST"


async def test_large_headers_are_refused(admin: httpx2.AsyncClient) -> None:
    problem(await admin.get("/me", headers={"X-Large": "x" * 33_000}), "headers_too_large")


async def test_permission_is_checked_before_the_body_is_read(served: Served) -> None:
    async with served.client("viewer") as viewer:
        answer = await viewer.post("/configs", content=b"{ this is no JSON")
    assert "configs:write" in str(problem(answer, "forbidden")["detail"])


async def test_permission_is_checked_before_the_id_is_looked_up(served: Served) -> None:
    async with served.client("viewer") as viewer:
        problem(await viewer.post("/executions/no-uuid/cancel"), "forbidden")


JSON = {"Content-Type": "application/json"}
BAD_JSON = {
    "cut": b'{"name": ',
    "no utf-8": b'{"name": "\xff"}',
    "twice the same key": b'{"name": "a", "name": "b", "content": ""}',
    "not a number": b'{"name": "a", "content": "", "x": NaN}',
    "infinite": b'{"name": "a", "content": "", "x": 1e999}',
    "65 bits": b'{"name": "a", "content": "", "x": 18446744073709551616}',
    "5,000 digits": b'{"x": ' + b"1" * 5000 + b"}",
    "half a pair": b'{"name": "\\ud800", "content": ""}',
    "65 levels": b'{"x": ' + b"[" * 64 + b"]" * 64 + b"}",
    "too many arrays": b'{"x": [' + b"[]," * 100_000 + b"[]]}",
    "a hundred thousand levels": b"[" * 100_000,
}


@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON.keys())
async def test_what_is_not_strict_json_is_refused(admin: httpx2.AsyncClient, body: bytes) -> None:
    problem(await admin.post("/configs", content=body, headers=JSON), "invalid_json")


MANY = {f"x{number}": 1 for number in range(1001)}


async def test_a_body_of_too_many_fields_is_not_looked_at(admin: httpx2.AsyncClient) -> None:
    found = problem(await admin.post("/configs/validate", json=MANY), "invalid")
    assert "1000 fields" in str(found["detail"])
    found = problem(await admin.post("/configs/validate", json=dict(list(MANY.items())[1:])), "invalid")
    assert len(found["errors"]) == 100  # type: ignore[arg-type]


WRONG = {
    "unknown fields of a seed": ("/configs", {"name": "a", "content": "", "workspace": MANY}, "1000 fields"),
    "unknown fields of git": (
        "/configs",
        {"name": "a", "content": "", "workspace": {"git": MANY}},
        "1000 fields",
    ),
    "files that are no text": ("/executions", {"program": "", "workspace": {"files": MANY}}, "file's text"),
    "permissions": ("/roles/many", {"permissions": ["x"] * 1001}, "1000 permissions"),
    "inherited roles": ("/roles/many", {"inherits": [1] * 101}, "100 inherited roles"),
}


@pytest.mark.parametrize(("path", "body", "said"), WRONG.values(), ids=WRONG.keys())
async def test_of_many_wrong_things_inside_a_body_one_is_told(
    admin: httpx2.AsyncClient, path: str, body: dict[str, object], said: str
) -> None:
    """To find, and to tell, 100,000 of them took the API seconds in which it did nothing else."""
    answer = await admin.request("PUT" if path.startswith("/roles") else "POST", path, json=body)
    (error,) = problem(answer, "invalid")["errors"]  # type: ignore[misc]
    assert said in error["message"]


@pytest.mark.parametrize(
    ("workspace", "said"),
    [
        ({"files": {"": "x"}}, "names no file"),
        ({"files": {"a/": "x"}}, "names no file"),
        ({"files": {".": "x"}}, "is the workspace itself"),
        ({"files": {"a/..": "x"}}, "is the workspace itself"),
        ({"files": {"/etc/x": "x"}}, "is an absolute path"),
        ({"files": {"a/../../x": "x"}}, "leads out of the workspace"),
        ({"files": {"a\0": "x"}}, "has a NUL"),
        ({"files": {"é" * 128: "x"}}, "too long"),
        ({"files": {"a": "x", "a.txt": "x", "a/b/c": "x"}}, "'a/b/c' cannot lie below 'a'"),
        ({"files": {"a/b": "x", "./c/../a//b": "x"}}, "are the same file"),
        ({"files": dict.fromkeys(map(str, range(10_001)), "x")}, "at most 10,000 files"),
        ({"folder": "project"}, "must be an absolute path"),
    ],
)
async def test_a_workspace_that_cannot_be_made_is_refused_at_once(
    admin: httpx2.AsyncClient, workspace: dict[str, object], said: str
) -> None:
    for path, body in {"/configs": {"name": "seeded", "content": ""}, "/executions": {"program": ""}}.items():
        answer = await admin.post(path, json=body | {"workspace": workspace})
        (error,) = problem(answer, "invalid")["errors"]  # type: ignore[misc]
        assert error["field"] == f"body.workspace.{next(iter(workspace))}"
        assert said in error["message"]


async def test_of_a_long_name_its_beginning_is_told(admin: httpx2.AsyncClient) -> None:
    answer = await admin.post("/configs/validate", json={"content": "", "x" * 1_000_000: 1})
    assert problem(answer, "invalid") and len(answer.content) < 1000


async def test_a_large_body_is_read_beside_other_requests(admin: httpx2.AsyncClient) -> None:
    program = "log(1)\n" + "# long\n" * 10_000
    answer = await admin.post("/configs/validate", json={"content": program})
    assert answer.json()["valid"] is True
    problem(await admin.post("/configs/validate", content=b"[" * 1_000_000, headers=JSON), "invalid_json")


async def test_a_body_has_at_most_a_mebibyte_and_a_half(admin: httpx2.AsyncClient) -> None:
    body = json.dumps({"content": "#" * (3 << 19)}).encode()
    problem(await admin.post("/configs/validate", content=body, headers=JSON), "too_large")

    async def endless() -> object:
        for _ in range(64):
            yield b" " * (1 << 16)

    problem(await admin.post("/configs/validate", content=endless(), headers=JSON), "too_large")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""])
async def test_only_json_is_read(admin: httpx2.AsyncClient, kind: str) -> None:
    answer = await admin.post("/configs/validate", content=b'{"content": ""}', headers={"Content-Type": kind})
    problem(answer, "unsupported_media_type")


async def test_every_field_s_error_is_told_and_no_value(admin: httpx2.AsyncClient) -> None:
    answer = await admin.post("/configs", json={"name": 12345678, "more": "a secret"})
    errors = problem(answer, "invalid")["errors"]
    assert {error["field"] for error in errors} == {"body.name", "body.content", "body.more"}
    assert "a secret" not in answer.text and "12345678" not in answer.text


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "offset=-1", "offset=10001", "cursor=nonsense", "cursor=%00"]
)
async def test_a_page_that_is_none_is_refused(admin: httpx2.AsyncClient, query: str) -> None:
    problem(await admin.get(f"/configs?{query}"), "invalid")


@pytest.mark.parametrize("id", ["no-uuid", "%00", "a" * 300, "..%2f.."])
async def test_an_id_that_is_none_is_a_problem(admin: httpx2.AsyncClient, id: str) -> None:
    for path in ("/configs", "/deployments", "/executions", "/operations"):
        assert (await admin.get(f"{path}/{id}")).status_code in (404, 422)
