"""The page on runs that wait for people: its program is right, its commands and requests exist."""

from __future__ import annotations

import json
import re
import shlex

from fastapi.routing import APIRoute

from codeai.api.app import ROUTERS
from codeai.dsl.check import check
from codeai.workflows.contracts.commands import Command, DecideInput, ParkedInput, PatchCommand, SetInput
from codeai.workflows.contracts.executions import ExecuteInput
from codeai.workflows.contracts.kinds import LANE, RECONCILE
from codeai.workflows.contracts.schedules import PLATFORM_SCHEDULES
from codeai.workflows.execute_deployment import ExecuteDeployment
from codeai.workflows.lane import Lane
from tests.reference.cli_page import every_command
from tests.tree import ROOT

PAGE = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS: dict[str, type[Command]] = {
    "approve": DecideInput,
    "retry": ParkedInput,
    "set": SetInput,
    "patch": PatchCommand,
}
LINES = [shlex.split(line) for language, text in BLOCKS if language == "sh" for line in text.splitlines()]


def test_the_program_is_right() -> None:
    programs = [text for language, text in BLOCKS if language == "cai"]
    assert programs and [check(text).diagnostics for text in programs] == [()] * len(programs)


def test_every_command_is_there_with_its_options() -> None:
    known = {one.words: " ".join(form for form, _ in one.parameters) for one in every_command()}
    known["codeai approvals"] = known["codeai approvals list"]
    for line in LINES:
        if line[0] != "codeai":
            continue
        words = " ".join(line[:3]) if " ".join(line[:3]) in known else " ".join(line[:2])
        for option in (word for word in line if word.startswith("--")):
            assert option in known[words], line


def test_every_request_is_there() -> None:
    known = {
        f"{method} {route.path}"
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    asked = re.findall(r"\b(GET|POST) +(/[\w/{}]+)", PAGE)
    assert len(asked) >= 4 and {f"{method} {path}" for method, path in asked} <= known


def options_of(line: list[str]) -> dict[str, str]:
    return {word: line[at + 1] for at, word in enumerate(line) if word.startswith("--")}


def test_what_temporal_is_given_is_what_the_workflow_takes() -> None:
    lines = [(line[2], options_of(line)) for line in LINES if line[0] == "temporal"]
    given = dict(lines)
    assert set(given) == {"signal", "update", "start", "query", "trigger", "list"}
    assert given["trigger"]["--schedule-id"] in {one.id for one in PLATFORM_SCHEDULES}
    assert given["list"]["--query"] == f"WorkflowType = '{RECONCILE.type}'"
    query = given["query"]
    assert query["--workflow-id"] == LANE.workflow_id("production") and hasattr(Lane, query["--type"])
    for how, options in lines:
        if how in ("signal", "update"):
            assert hasattr(ExecuteDeployment, f"{options['--name']}_{how}")
            COMMANDS[options["--name"]].model_validate(json.loads(options["--input"]))
    starts = [json.loads(options["--input"]) for how, options in lines if how == "start"]
    assert [ExecuteInput.model_validate(one).do for one in starts] == ["compensate", "retry", "patch"]
