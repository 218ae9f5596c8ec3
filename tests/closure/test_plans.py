"""The page on plans: its plan is that of its program, its tables have the fields that there are."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields

from codeai.api.views import PlanView
from codeai.cli.plan import PERMISSIONS
from codeai.dsl.compile import compile_source
from codeai.dsl.format import format_source
from codeai.dsl.plan import plan
from codeai.dsl.plan_json import KINDS
from codeai.dsl.plan_steps import MOST_ENTRIES
from codeai.dsl.plan_text import render
from tests.reference.cli_page import every_command
from tests.tree import ROOT

PAGE = (ROOT / "docs" / "plans.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def test_the_plan_is_that_of_the_program() -> None:
    code = compile_source(BLOCKS["cai"]).code
    assert code is not None and format_source(BLOCKS["cai"]).text == BLOCKS["cai"]
    words = shlex.split(BLOCKS["sh"])
    name, _, value = words[words.index("-i") + 1].partition("=")
    assert render(plan(code, {name: value}, PERMISSIONS)) == BLOCKS["text"]
    assert "plan" in {one.words.removeprefix("codeai ") for one in every_command()}


def test_every_field_and_kind_has_its_line() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert rows == {field.name for field in fields(PlanView)} | {kind for kind, _ in KINDS.values()}
    assert f"{MOST_ENTRIES:,} entries" in PAGE
