"""Logs: one line an event, without secrets."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from codeai.logs import SENSITIVE, redacted

TELL = """
import logging, structlog, sys
from codeai import logs
from codeai.settings import LoggingSettings
logs.configure(LoggingSettings(format=sys.argv[1], level="info", output="stdout"), process="api")
structlog.contextvars.bind_contextvars(request_id="r1")
structlog.get_logger().debug("too quiet")
structlog.get_logger().info("asked", path="/configs", headers={"Authorization": "Bearer abcdefgh"})
logging.getLogger("library").warning("sent Bearer abcdefghijkl to postgres://me:hush@db/x")
try:
    raise ValueError("eyJhbGciOi.eyJzdWIi.c2ln is bad")
except ValueError:
    structlog.get_logger().exception("failed")
"""


def tell(form: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", TELL, form], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_json_lines_have_their_context_and_no_secret() -> None:
    asked, sent, failed = (json.loads(line) for line in tell("json"))
    assert (asked["event"], asked["level"], asked["process"], asked["request_id"]) == (
        "asked",
        "info",
        "api",
        "r1",
    )
    assert asked["headers"] == {"Authorization": "***"} and asked["path"] == "/configs"
    assert sent["event"] == "sent Bearer *** to postgres://me:***@db/x" and sent["level"] == "warning"
    assert "eyJ" not in json.dumps(failed) and "ValueError: *** is bad" in failed["exception"]


def test_people_read_the_same_without_secrets() -> None:
    told = "\n".join(tell("text"))
    assert "asked" in told and "hush" not in told and "abcdefgh" not in told and "too quiet" not in told


@pytest.mark.parametrize("name", SENSITIVE)
def test_every_sensitive_field_is_hidden_at_any_depth(name: str) -> None:
    for key in (name, name.upper(), f"x-{name.replace('_', '-')}", f"my_{name}_2"):
        assert redacted({"list": [{"deep": ({key: "value"},)}]}) == {"list": [{"deep": [{key: "***"}]}]}


def test_what_is_no_secret_stays() -> None:
    told = {
        "path": "/a/b",
        "url": "https://host/x?y=1",
        "count": 3,
        "none": None,
        "text": "the bearer of news",
    }
    assert redacted(told) == told
