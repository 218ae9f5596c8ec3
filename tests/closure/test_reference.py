"""The reference says what the tables say: every row has its line, and no line is left over."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from codeai.dsl.diagnostics import CODES
from codeai.settings import ROWS
from tests.reference import cli_page, language_pages
from tests.reference.pages import FOLDER, PAGES, file, text
from tests.tree import ROOT

DOCS = ROOT / "docs"
MAKE = "run: make reference"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_the_tables_say(name: str) -> None:
    assert file(name).exists(), MAKE
    written, now = file(name).read_text(encoding="utf-8").splitlines(), text(name).splitlines()
    differing = [line for line in now if line not in written] + [line for line in written if line not in now]
    assert written == now, f"{file(name).name} is not what the tables say now; {MAKE}\n" + "\n".join(
        differing
    )


def test_every_page_is_made_from_a_table() -> None:
    assert {one.stem for one in FOLDER.glob("*.md")} == set(PAGES), MAKE


def links(page: Path) -> set[str]:
    """The files that a page links to, below docs."""
    found = re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text(encoding="utf-8"))
    return {os.path.relpath(page.parent / one, DOCS) for one in found}


def test_every_page_is_found_from_the_index() -> None:
    pages = [*DOCS.glob("*.md"), *FOLDER.glob("*.md")]
    assert {str(one.relative_to(DOCS)) for one in pages} - {"README.md"} <= links(DOCS / "README.md")


def test_every_link_of_the_documentation_leads_somewhere() -> None:
    linked = {(page.name, one) for page in DOCS.rglob("*.md") for one in links(page)}
    assert [(page, one) for page, one in linked if not (DOCS / one).exists()] == []


@pytest.mark.parametrize("code", CODES)
def test_the_example_of_a_diagnostic_has_it(code: str) -> None:
    assert f"[{code}]" in language_pages.printed(CODES[code])


def test_every_command_says_what_it_does_and_gives_an_example() -> None:
    for command in cli_page.every_command():
        assert command.about, command.words
        assert command.words in command.example, command.words
        assert [form for form, help in command.parameters if not help] == [], command.words


WITHOUT_OUTPUT = {
    "codeai serve": "runs until it is stopped",
    "codeai worker": "runs until it is stopped",
    "codeai lsp": "speaks the language server's protocol",
    "codeai audit export": "prints lines of JSON",
}


def test_every_command_that_answers_does_so_as_a_table_or_as_json() -> None:
    without = {
        one.words for one in cli_page.every_command() if "--output <table|json>" not in str(one.parameters)
    }
    assert without == set(WITHOUT_OUTPUT)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_the_command(shell: str) -> None:
    words = subprocess.run(
        [sys.executable, "-m", "codeai"],
        env=os.environ
        | {"_CODEAI_COMPLETE": f"complete_{shell}", "COMP_WORDS": "codeai dep", "COMP_CWORD": "1"}
        | {"_TYPER_COMPLETE_ARGS": "codeai dep", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "deployments" in words.stdout, words.stderr


def test_every_setting_says_what_it_is() -> None:
    assert [row.path for row in ROWS if not row.help] == []
    names = [name for row in ROWS for name in row.names]
    assert len(names) == len(set(names)), "two settings have one name"
