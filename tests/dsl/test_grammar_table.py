"""The parser's table is the grammar's, and lark is needed only to write it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from codeai.dsl import grammar_build
from codeai.dsl.diagnostics import Findings, Source
from codeai.dsl.grammar_table import RULES
from codeai.dsl.tree_build import Builder


@pytest.mark.parametrize("folder", grammar_build.GRAMMARS, ids=lambda folder: folder.name)
def test_the_table_is_what_lark_makes_of_the_grammar(folder: Path) -> None:
    written = (folder / "grammar_table.py").read_text(encoding="utf-8")
    assert grammar_build.table_source(folder) == written, "run: make grammar"


def test_every_alternative_has_its_function_and_every_function_its_alternative() -> None:
    named = {name for _, _, name in RULES if name}
    assert named == set(Builder(Findings(Source(""))).makers)


def test_checking_a_program_does_not_import_lark() -> None:
    code = "import sys, codeai.dsl.check, codeai.dsl.format, codeai.dsl.query.check; sys.exit('lark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
