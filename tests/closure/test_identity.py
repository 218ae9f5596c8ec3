"""The page on identity: its commands, requests and settings exist, and none is left out."""

from __future__ import annotations

import re
import shlex

from fastapi.routing import APIRoute

from codeai.api.routers import audit, me, roles
from codeai.settings import ROWS
from tests.reference.cli_page import every_command
from tests.tree import ROOT

PAGE = (ROOT / "docs" / "identity.md").read_text(encoding="utf-8")
COMMANDS = [
    line.partition(" > ")[0]
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]


def test_every_command_is_there_and_told_of() -> None:
    groups = ("codeai roles ", "codeai audit ", "codeai token ")
    known = {one.words for one in every_command() if one.words.startswith(groups)}
    assert {" ".join(line.split()[:3]) for line in COMMANDS} == known


def test_every_option_of_a_command_is_there() -> None:
    forms = {one.words: str(one.parameters) for one in every_command()}
    for line in COMMANDS:
        words = shlex.split(line)
        for option in (word for word in words if word.startswith("-")):
            assert option in forms[" ".join(words[:3])], line


def test_every_request_is_there_and_told_of() -> None:
    routes = [
        route
        for router in (roles.router, audit.router, me.router)
        for route in router.routes
        if isinstance(route, APIRoute)
    ]
    known = {(method, route.path) for route in routes for method in route.methods or ()}
    assert set(re.findall(r"^([A-Z]+) +(/\S+)", PAGE, re.MULTILINE)) == known


def test_every_setting_is_there() -> None:
    names = {name for row in ROWS for name in row.names}
    assert set(re.findall(r"\b(?:JWT_|JWKS_)[A-Z_]+", PAGE)) <= names
