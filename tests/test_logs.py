"""Logs: one line an event, without secrets."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeai.logs import SENSITIVE, escaped, redacted

TELL = """
import logging, structlog, sys
from codeai import logs
from codeai.log_context import bind
from codeai.settings import LoggingSettings
logs.configure(LoggingSettings(format=sys.argv[1], level="info", output="stdout"), process="api")
bind(request_id="r1")
structlog.get_logger().debug("too quiet")
structlog.get_logger().info("asked", path="/configs", headers={"Authorization": "Bearer abcdefgh"})
structlog.get_logger().info("a\\nforged line", path="/x\\r\\n2026 [info] y", **{"key\\n": "\\x1b[2J\\u2028"})
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
    asked, forged, sent, failed = (json.loads(line) for line in tell("json"))
    assert forged["event"] == "a\nforged line"  # within its own line
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


def test_no_value_makes_a_line_of_its_own() -> None:
    told = tell("text")
    assert len([line for line in told if not line.startswith("    ")]) == 4
    assert not any("\x1b[2J" in line or "\u2028" in line for line in told)


SECRET = "a5ecretThatNobodyMaySee"
NAMES = st.sampled_from(SENSITIVE).flatmap(
    lambda name: st.sampled_from((name, name.upper(), f"x-{name.replace('_', '-')}", f"{name}_of_mine"))
)
IN_TEXTS = st.sampled_from(
    (
        f"Bearer {SECRET}",
        f"said bEaReR  {SECRET} and went",
        f"postgres://me:{SECRET}@db/x",
        f"eyJhbGciOi.{SECRET}.c2ln",
    )
)
HIDING = st.recursive(
    st.dictionaries(NAMES, st.just(SECRET) | st.just([SECRET]) | st.just({"a": SECRET}), min_size=1)
    | IN_TEXTS,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        | st.tuples(inner, st.integers())
    ),
    max_leaves=8,
)


@given(HIDING)
def test_no_secret_is_told_at_any_depth(value: object) -> None:
    assert SECRET not in repr(redacted(value))


@given(
    st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
)
def test_what_is_told_to_people_stays_on_its_line(value: object) -> None:
    def texts(part: object) -> list[str]:
        if isinstance(part, dict):
            return [one for pair in part.items() for each in pair for one in texts(each)]
        return [one for each in part for one in texts(each)] if isinstance(part, list) else [str(part)]

    assert all(len(text.splitlines()) <= 1 for text in texts(escaped(value)))
