"""The page on secrets: its commands, requests and settings exist."""

from __future__ import annotations

import re

from fastapi.routing import APIRoute

from codeai.api.routers import secrets
from codeai.settings import ROWS
from tests.reference.cli_page import every_command
from tests.tree import ROOT

PAGE = (ROOT / "docs" / "secrets.md").read_text(encoding="utf-8")


def test_every_command_is_there_and_told_of() -> None:
    known = {one.words for one in every_command() if one.words.startswith("codeai secrets ")}
    assert {f"codeai {words}" for words in re.findall(r"codeai (secrets \w+)", PAGE)} == known


def test_every_request_is_there_and_told_of() -> None:
    routes = [route for route in secrets.router.routes if isinstance(route, APIRoute)]
    known = {(method, route.path) for route in routes for method in route.methods or ()}
    assert set(re.findall(r"^([A-Z]+) +(/\S+)", PAGE, re.MULTILINE)) == known


def test_every_setting_is_there() -> None:
    names = {name for row in ROWS for name in row.names}
    assert {name.removesuffix("_FILE") for name in re.findall(r"CODEAI_SEAL_\w+", PAGE)} <= names
