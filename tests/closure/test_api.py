"""The page on the API: its problems, settings, paths and figures are those of the code."""

from __future__ import annotations

import re

from fastapi.routing import APIRoute

from codeai.api.allowances import STREAMS
from codeai.api.app import ROUTERS
from codeai.api.bodies import MOST_BYTES, MOST_CONTAINERS
from codeai.api.dependencies import MOST_OFFSET
from codeai.api.edge import TIME_LIMIT
from codeai.api.problems import PROBLEMS
from codeai.api.server import GRACE
from codeai.api.starts import WAIT_LIMIT
from codeai.api.wire import HEAD_WITHIN, MOST_HEADER_BYTES, MOST_URL_BYTES
from codeai.settings import ROWS
from codeai.workflows.contracts.decoding import MOST_ERRORS
from tests.tree import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_every_problem_has_the_status_that_is_told() -> None:
    told = re.findall(r"\b([45]\d\d) `(\w+)`", PAGE)
    assert len(told) >= 10
    assert [(int(status), code) for status, code in told if PROBLEMS[code].status != int(status)] == []


def test_every_setting_is_one() -> None:
    named = set(re.findall(r"\bCODEAI_[A-Z_]+", PAGE))
    assert named and named <= {name for row in ROWS for name in row.names}


def test_every_path_is_there() -> None:
    paths = {route.path for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)}
    named = set(re.findall(r"`(?:GET|POST|PUT|DELETE) (/[\w/{}.]*)", PAGE)) - {"/docs", "/openapi.json"}
    assert named and named <= paths


def test_the_figures_are_those_of_the_code() -> None:
    for figure in (
        f"at most {MOST_OFFSET:,}",
        f"at most {MOST_ERRORS} fields",
        f"within\n{WAIT_LIMIT:.0f} s",
        f"| {STREAMS} |",
        f"{MOST_BYTES / 2**20:g} MiB",
        f"{MOST_CONTAINERS:,} objects and arrays",
        f"{MOST_URL_BYTES >> 10} KiB, {MOST_HEADER_BYTES >> 10} KiB",
        f"| {TIME_LIMIT:.0f} s (",
        f"| {HEAD_WITHIN:.0f} s to arrive",
        f"after {GRACE} s",
    ):
        assert figure in PAGE, figure
