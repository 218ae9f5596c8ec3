"""The pages there are (★): the file, its title and what makes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.reference import cli_page, language_pages, platform_pages, query_page
from tests.tree import ROOT

FOLDER = ROOT / "docs" / "reference"
PAGES: dict[str, tuple[str, Callable[[], str]]] = {
    "effects": ("Effects", language_pages.effects),
    "builtins": ("Built-in functions", language_pages.builtins),
    "diagnostics": ("Diagnostics", language_pages.diagnostics),
    "limits": ("Limits", language_pages.limits),
    "environment-names": ("Names that commands get only by env", language_pages.environment_names),
    "trace": ("Entries of a trace", language_pages.trace),
    "cli": ("The command line", cli_page.cli),
    "settings": ("Settings", platform_pages.settings),
    "problems": ("Problems", platform_pages.problems),
    "queries": ("Queries", query_page.queries),
    "metrics": ("Metrics", platform_pages.metrics),
    "permissions": ("Permissions", platform_pages.permissions),
    "events": ("Events", platform_pages.events),
    "task-queues-and-calls": ("Task queues and calls", platform_pages.task_queues_and_calls),
}


def file(name: str) -> Path:
    """Where the page of that name is."""
    return FOLDER / f"{name}.md"


def text(name: str) -> str:
    """The page as the tables are now."""
    title, made = PAGES[name]
    return f"# {title}\n\n<!-- Made from the tables; run: make reference -->\n\n{made().strip()}\n"
