"""The language guide shows what its examples really do: every one is checked, run, and compared."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
import uuid
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from codeai.cli.options import input_texts
from codeai.dsl.check import check
from codeai.dsl.compile import compile_source
from codeai.dsl.diagnostics import render_text
from codeai.dsl.environment import environment, undo_environment
from codeai.dsl.format import format_source
from codeai.dsl.inputs import check_inputs, parse_inputs
from codeai.dsl.matching import includes
from codeai.dsl.requests import EffectResult, Request
from codeai.dsl.values import ExecValue
from tests.dsl.runs import run
from tests.tree import ROOT

GUIDE = ROOT / "docs" / "language.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Example:
    """A program of the guide and the blocks behind it, by their language."""

    line: int
    source: str
    given: dict[str, str] = field(default_factory=dict)


def examples() -> list[Example]:
    text, found = GUIDE.read_text(encoding="utf-8"), []
    for block in BLOCK.finditer(text):
        if block[1] == "cai":
            found.append(Example(text.count("\n", 0, block.start()) + 1, block[2]))
        else:
            found[-1].given[block[1]] = block[2]
    return found


class Commands:
    """Performs the effects of an example: its commands in bash, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.printed = ""
        self.undo: dict[int, tuple[str, dict[str, str]]] = {}
        self.events: list[Any] = []

    def perform(self, request: Request) -> EffectResult:
        if request.effect == "exec":
            given = environment(request)
            for name, text in given.files.items():
                (self.folder / name).write_text(text)
            ended = self.bash(request.text or "", given.env)
            if request.undo is not None:
                outcome = {"CODEAI_STEP_OUTCOME": "failed" if ended.returncode else "succeeded"}
                self.undo[request.step] = (request.undo.text, undo_environment(request).env | outcome)
            value = ExecValue(ended.stdout.rstrip("\n"), ended.stderr.rstrip("\n"), ended.returncode)
            return EffectResult(value)
        if request.effect == "emit":
            self.events.append(request.arguments)
            return EffectResult(str(uuid.uuid4()))
        if request.effect == "wait_event":
            asked: Any = request.arguments
            return EffectResult(next(one for one in self.events if includes(one["data"], asked["where"])))
        return EffectResult(
            {"now": time.time(), "uuid": str(uuid.uuid4()), "random": 0.25}.get(request.effect)
        )

    def undo_all(self, steps: tuple[int, ...]) -> None:
        for step in reversed(steps):
            self.bash(*self.undo[step])

    def bash(self, text: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text],
            env={"PATH": os.environ["PATH"], "CODEAI_FILES": str(self.folder), **env},
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        self.printed += ended.stdout.removesuffix("\n") + "\n" if ended.stdout else ""
        return ended


def inputs(example: Example, code: Any) -> dict[str, Any]:
    """What the `codeai run` behind an example gives it."""
    words = shlex.split(example.given.get("sh", ""))
    texts = input_texts([word for flag, word in pairwise(words) if flag == "-i"])
    values, problems = parse_inputs(code, texts)
    assert not problems and not check_inputs(code, values), problems
    return values


@pytest.mark.parametrize("example", examples(), ids=lambda one: f"line {one.line}")
def test_an_example_does_what_the_guide_says(example: Example, tmp_path: Path) -> None:
    assert format_source(example.source).text == example.source
    checked = check(example.source)
    if checked.diagnostics:
        assert render_text(checked.diagnostics, checked.source, "try.cai") == example.given["text"]
        return
    code = compile_source(example.source).code
    assert code is not None
    commands = Commands(tmp_path)
    ended = run(example.source, inputs(example, code), commands.perform)
    if ended.error is not None:
        commands.undo_all(ended.undo_stack)
        commands.printed += f"failed at line {ended.error.line}: {ended.error.message}\n"
    if "text" in example.given:
        assert commands.printed == example.given["text"]
    else:
        assert ended.error is None, ended.error.message
    if "json" in example.given:
        assert ended.result == json.loads(example.given["json"])


def test_the_guide_says_what_every_example_gives() -> None:
    silent = [one.line for one in examples() if not {"json", "text"} & one.given.keys()]
    assert silent == []
