"""`codeai events`: publish one, find it again, and be told in one line what is wrong."""

from __future__ import annotations

import json
import time

import pytest

from tests.platform import Platform


def test_an_event_is_published_listed_and_shown(stack: Platform) -> None:
    type = f"custom.t{time.monotonic_ns()}"
    done = stack.command("events", "publish", type, "--data", '{"order": 7}')
    assert done.returncode == 0 and done.stdout.startswith("published: "), done.stderr
    id = done.stdout.split()[-1]
    listed = json.loads(stack.command("events", "list", "--type", type, "--output", "json").stdout)["items"]
    shown = json.loads(stack.command("events", "show", id, "--output", "json").stdout)
    assert listed == [shown] and (shown["id"], shown["data"]) == (id, {"order": 7})
    table = stack.command("events", "list", "--limit", "5").stdout
    assert type in table and '{"order": 7}' in table
    other = stack.command("events", "publish", f"{type}.empty", "--output", "json")
    assert json.loads(other.stdout)["data"] == {}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("job.completed",), 1, "job.* events are published by the platform alone"),
        (("pack",), 1, "lower-case words with dots"),
        (("custom.pack", "--data", "{"), 2, "--data is no JSON"),
        (("custom.pack", "--data", "[1]"), 2, "--data takes a JSON object"),
    ],
)
def test_what_cannot_be_published_is_told_in_a_line(
    stack: Platform, words: tuple[str, ...], code: int, said: str
) -> None:
    done = stack.command("events", "publish", *words)
    assert done.returncode == code
    assert len(done.stderr.splitlines()) == 1 and said in done.stderr


def test_an_unknown_event_is_told_in_a_line(stack: Platform) -> None:
    done = stack.command("events", "show", "00000000-0000-4000-8000-000000000000")
    assert done.returncode == 1 and "there is no event" in done.stderr
