"""The page on hosts: its programs are right, its commands and settings exist, its numbers are those of the code."""

from __future__ import annotations

import re

from codeai.activities.shell.slots import HOLD
from codeai.dsl.check import check
from codeai.settings import ROWS, WorkerSettings
from codeai.workflows import calls, hosts
from tests.reference.cli_page import every_command
from tests.tree import ROOT

PAGE = (ROOT / "docs" / "hosts.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_programs_are_right() -> None:
    programs = [text for language, text in BLOCKS if language == "cai"]
    assert programs and [check(text).diagnostics for text in programs] == [()] * len(programs)


def test_the_commands_are_there_with_their_options() -> None:
    known = {one.words: " ".join(form for form, _ in one.parameters) for one in every_command()}
    lines = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
    for words in map(str.split, lines):
        for option in (word for word in words if word.startswith("--")):
            assert option in known[" ".join(words[:2])]


def test_settings_activities_and_numbers_are_those_of_the_code() -> None:
    settings = {row.path for row in ROWS}
    assert set(re.findall(r"`(worker\.\w+)`", PAGE)) <= settings
    assert set(re.findall(r"`(\w+_\w+)`", PAGE)) >= {
        call.name for call in calls.CALLS if call.queue == "codeai-host@"
    }
    assert f"for {HOLD:g} s" in PAGE and hosts.PICKED_UP.total_seconds() == 60
    assert WorkerSettings().host_lost_after == 600
