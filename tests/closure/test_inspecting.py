"""The page on looking into runs: what it shows is what its program does, its commands and requests exist."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

import pytest
from fastapi.routing import APIRoute

from codeai.api.routers import inspection
from codeai.cli.tracing import put_entries
from codeai.dsl.diagnostics import Source
from codeai.dsl.requests import EffectResult
from codeai.dsl.trace import Recorded, Window, trace
from codeai.dsl.trace_entries import UndoBlock
from codeai.dsl.values import ExecValue
from tests.dsl.test_trace import recorded
from tests.reference.cli_page import every_command
from tests.tree import ROOT

PAGE = (ROOT / "docs" / "inspecting.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_trace_is_that_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    source, undone = (text for language, text in BLOCKS if language == "cai")
    put_trace(source, recorded(source))
    assert capsys.readouterr().out in [text for _, text in BLOCKS]
    failed = {"kind": "exec_failed", "message": "exit code 1: no such process"}
    blocks = [
        UndoBlock(3, 2, 2, text='stop "$name"', variables={"name": "web"}, exit_code=0, value=""),
        UndoBlock(4, 1, 2, text='stop "$name"', variables={"name": "api"}, exit_code=1, error=failed),
    ]
    run = recorded(undone, answer=lambda _: EffectResult(ExecValue("started")))
    put_trace(undone, replace(run, blocks=blocks))
    assert capsys.readouterr().out in [text for _, text in BLOCKS]


def put_trace(source: str, run: Recorded) -> None:
    entries = trace(run, Window()).entries
    put_entries([entry.to_json(Source(source)) for entry in entries], before=False)


def test_every_command_is_there_with_its_options() -> None:
    known = {one.words: " ".join(form for form, _ in one.parameters) for one in every_command()}
    for line in (line for language, text in BLOCKS if language == "sh" for line in text.splitlines()):
        words = shlex.split(line)
        for option in (word for word in words if word.startswith("--")):
            assert option in known[" ".join(words[:2])], line


def test_every_request_is_there() -> None:
    known = {route.path for route in inspection.router.routes if isinstance(route, APIRoute)}
    assert set(re.findall(r"^GET (/\S+)$", PAGE, re.MULTILINE)) == known
