"""The page on looking into runs: what it shows is what its program does, its commands and requests exist."""

from __future__ import annotations

import re
import shlex

import pytest
from fastapi.routing import APIRoute

from codeai.api.routers import inspection
from codeai.cli.tracing import put_entries
from codeai.dsl.diagnostics import Source
from codeai.dsl.trace import Window, trace
from tests.dsl.test_trace import recorded
from tests.reference.cli_page import every_command
from tests.tree import ROOT

PAGE = (ROOT / "docs" / "inspecting.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_trace_is_that_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    (source,) = (text for language, text in BLOCKS if language == "cai")
    entries = trace(recorded(source), Window()).entries
    put_entries([entry.to_json(Source(source)) for entry in entries], before=False)
    assert capsys.readouterr().out in [text for _, text in BLOCKS]


def test_every_command_is_there_with_its_options() -> None:
    known = {one.words: " ".join(form for form, _ in one.parameters) for one in every_command()}
    for line in (line for language, text in BLOCKS if language == "sh" for line in text.splitlines()):
        words = shlex.split(line)
        for option in (word for word in words if word.startswith("--")):
            assert option in known[" ".join(words[:2])], line


def test_every_request_is_there() -> None:
    known = {route.path for route in inspection.router.routes if isinstance(route, APIRoute)}
    assert set(re.findall(r"^GET (/\S+)$", PAGE, re.MULTILINE)) == known
