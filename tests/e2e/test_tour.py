"""docs/tour.md is true: its program gives what it says, and every file that it names is there."""

from __future__ import annotations

import json
import re

import pytest

from tests.platform import Platform
from tests.tree import ROOT

TEXT = (ROOT / "docs/tour.md").read_text(encoding="utf-8")
FOLDERS = ("", "activities/shell/", "codeai/stack/")


def test_the_tours_program_gives_what_the_tour_says(stack: Platform) -> None:
    program = re.findall(r"```cai\n(.*?)```", TEXT, re.DOTALL)[0]
    said = json.loads(re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)[0])
    ended = stack.run(program, "-i", "who=you")
    assert (ended["status"], ended["result"]) == ("complete", said)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([\w./]+\.(?:py|lark))`", TEXT))))
def test_every_file_of_the_tour_is_there(name: str) -> None:
    assert any((ROOT / folder / name).exists() for folder in FOLDERS), name
