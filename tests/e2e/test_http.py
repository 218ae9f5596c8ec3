"""Programs that send requests: to a real server, with secrets, and with the worker killed in the middle."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.platform import Platform, wait_until


class Echo(ThreadingHTTPServer):
    """Tells what it was asked. `/held` answers when `go` is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.go = threading.Event()
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    server: Echo

    def do_GET(self) -> None:
        self.server.asked.append((self.command, self.path))
        if self.path.startswith("/held"):
            self.server.go.wait()
        sent = self.rfile.read(int(self.headers.get("content-length", "0"))).decode()
        said = json.dumps(
            {"body": sent and json.loads(sent), "told": self.headers["authorization"], "path": self.path}
        )
        try:
            self.send_response(418 if self.path.startswith("/teapot") else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said.encode())
        except ConnectionError:
            pass  # whoever asked was killed

    do_POST = do_GET  # noqa: N815 (as http.server looks for it)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[Echo]:
    with Echo() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.go.set()
        server.shutdown()


def steps_of(stack: Platform, token: str, id: str) -> list[dict[str, Any]]:
    _, _, body = stack.request("GET", f"/executions/{id}/steps", token=token)
    items: list[dict[str, Any]] = body["items"]
    return items


def test_a_program_sends_requests(stack: Platform, token: str, server: Echo) -> None:
    ended = stack.run(
        """
        param url
        var made = http("POST", url + "/things?key=hidden", body: {n: [1, 2.0]}, headers: {Authorization: "Bearer x"})
        var tea = http("GET", url + "/teapot", check: false)
        try {
            http("GET", url + "/teapot?key=hidden")
        } catch problem {
            return [made.status, made.json.body, made.json.told, tea.status, made.headers["content-type"],
                    problem.kind, problem.line, problem.message]
        }
        """,
        *("-i", f"url={server.url}"),
    )
    *found, message = ended["result"]
    assert found == [200, {"n": [1, 2.0]}, "Bearer x", 418, "application/json", "http_failed", 6]
    assert message.startswith(f"GET {server.url}/teapot answered 418 I'm a Teapot")
    steps = steps_of(stack, token, ended["execution_id"])
    assert [(one["kind"], one["status"], one["command"]) for one in steps] == [
        ("http", "succeeded", f"POST {server.url}/things"),
        ("http", "succeeded", f"GET {server.url}/teapot"),
        ("http", "failed", f"GET {server.url}/teapot"),
    ]


def test_loopback_is_closed_but_for_what_settings_open(stack: Platform, server: Echo) -> None:
    before = len(server.asked)
    ended = stack.run(
        """
        param port
        var seen = parallel for host in ["127.0.0.1", "[::1]", "127.1", "0x7f000001", "169.254.169.254"] {
            try {
                http("GET", "http://${host}:${port}/")
            } catch problem {
                return problem.kind
            }
        }
        return seen
        """,
        *("-i", f"port={server.server_port}"),
    )
    assert ended["result"] == ["http_failed"] * 5, ended
    assert len(server.asked) == before


def test_a_secret_is_sent_and_shown_nowhere(stack: Platform, token: str, server: Echo) -> None:
    assert stack.command("secrets", "set", "e2e_http", data="s3cr3t-of-e2e").returncode == 0
    ended = stack.run(
        """
        param url
        var got = http("POST", "${url}/x?k=${secret("e2e_http")}", body: {t: secret("e2e_http")},
                       headers: {Authorization: "Bearer " + secret("e2e_http")})
        log(got.body)
        return got.json
        """,
        *("-i", f"url={server.url}"),
    )
    told = {"body": {"t": "***"}, "told": "Bearer ***", "path": "/x?k=***"}
    assert ended["result"] == told, ended
    assert ("POST", "/x?k=s3cr3t-of-e2e") in server.asked
    steps = steps_of(stack, token, ended["execution_id"])
    logged = stack.command("logs", ended["execution_id"]).stdout
    assert "s3cr3t" not in f"{ended}{steps}{logged}"


def test_a_killed_worker_sends_a_get_again_and_a_post_never(
    stack: Platform, token: str, server: Echo
) -> None:
    id = stack.detach(
        """
        param url
        return parallel for method in ["GET", "POST"] {
            try {
                return http(method, url + "/held/" + lower(method)).status
            } catch problem {
                return problem.kind
            }
        }
        """,
        *("-i", f"url={server.url}"),
    )
    held = [("GET", "/held/get"), ("POST", "/held/post")]
    wait_until(lambda: all(one in server.asked for one in held), 60, "both requests")
    stack.kill("worker")
    server.go.set()
    ended = stack.ended(id, token)
    assert ended["result"] == [200, "lost"], ended
    assert sorted(one for one in server.asked if one in held) == [held[0], *held]
    assert sorted(one["status"] for one in steps_of(stack, token, id)) == ["lost", "succeeded"]
