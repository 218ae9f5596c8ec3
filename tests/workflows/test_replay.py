"""Runs of the past are replayed: workflow code that would decide otherwise now would break those under way."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.common import RawValue
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import NondeterminismError

from codeai.workers import registry
from codeai.workflows.contracts.changes import ChangeResult
from codeai.workflows.contracts.decoding import NOTHING
from codeai.workflows.contracts.executions import ExecuteResult
from codeai.workflows.contracts.kinds import KINDS
from codeai.workflows.execute_deployment import ExecuteDeployment
from tests.workflows.clocked import Clocked
from tests.workflows.record_histories import HISTORIES, paths_in
from tests.workflows.recordings import RECORDINGS

FILES = sorted(HISTORIES.glob("*.json"))
MOST_BYTES = 150_000
AS_THEY_ARE = ("pydantic", "pydantic_core", "annotated_types", "codeai.dsl", "codeai.workflows.contracts")
"""What the sandbox takes as it is: the language cannot reach clock or chance (import-linter), a process keeps its
bound programs, and contracts are models, which would be built anew for every run."""


def history(file: Path) -> WorkflowHistory:
    told = json.loads(file.read_text())
    return WorkflowHistory.from_json(told["workflowId"], told)


def replayer(*workflows: type, runner: WorkflowRunner | None = None) -> Replayer:
    """As workers/run.py has them."""
    return Replayer(
        workflows=workflows or registry.WORKFLOWS,
        workflow_runner=runner or UnsandboxedWorkflowRunner(),
        data_converter=pydantic_data_converter,
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_a_run_of_the_past_decides_alike(file: Path) -> None:
    await replayer().replay_workflow(history(file))


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> SandboxedWorkflowRunner:
    """Temporal's sandbox, in which clock, chance and files raise; our workflow modules are loaded anew in it."""
    monkeypatch.setattr(workflow.unsafe, "imports_passed_through", contextlib.nullcontext)
    return SandboxedWorkflowRunner(SandboxRestrictions.default.with_passthrough_modules(*AS_THEY_ARE))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_no_run_touches_what_is_forbidden_to_a_workflow(
    sandbox: SandboxedWorkflowRunner, file: Path
) -> None:
    await replayer(runner=sandbox).replay_workflow(history(file))


async def test_a_look_at_the_clock_is_found(sandbox: SandboxedWorkflowRunner) -> None:
    file = HISTORIES / "straight_line.json"
    await replayer(Clocked).replay_workflow(history(file))
    with pytest.raises(RuntimeError, match=r"time\.time"):
        await replayer(Clocked, runner=sandbox).replay_workflow(history(file))


@workflow.defn(name="ExecuteDeployment")
class Pausing(ExecuteDeployment):
    """The same workflow with one more command at its begin."""

    @workflow.run
    async def run(self, raw: RawValue = NOTHING) -> ExecuteResult:
        await asyncio.sleep(1)
        return await super().run(raw)


@workflow.defn(name="ChangeRecord")
class Idle:
    """A ChangeRecord that does nothing."""

    @workflow.run
    async def run(self, raw: RawValue = NOTHING) -> ChangeResult:
        return ChangeResult()

    @workflow.update
    async def apply(self, raw: RawValue = NOTHING) -> ChangeResult:
        return ChangeResult()


@pytest.mark.parametrize("name", ["straight_line", "loop_over_two_runs.2", "slices", "change_made"])
async def test_code_that_decides_otherwise_is_found(name: str) -> None:
    with pytest.raises(NondeterminismError):
        await replayer(Pausing, Idle).replay_workflow(history(HISTORIES / f"{name}.json"))


async def test_a_changed_order_of_calls_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def begin(self: Any) -> None:
        await asyncio.sleep(0.001)
        await once(self)

    once = ExecuteDeployment._begin
    monkeypatch.setattr(ExecuteDeployment, "_begin", begin)
    with pytest.raises(NondeterminismError):
        await replayer().replay_workflow(history(HISTORIES / "failure_with_undo.json"))


def test_every_workflow_has_a_history() -> None:
    types = {
        history(file).events[0].workflow_execution_started_event_attributes.workflow_type.name
        for file in FILES
    }
    assert types == set(KINDS)


def test_every_recording_is_kept() -> None:
    names = {file.name.split(".")[0] for file in FILES}
    assert {
        name
        for name in names
        if not name.startswith(("change_", "event_", "lane", "reconcile_", "retention"))
    } == set(RECORDINGS)


@pytest.mark.parametrize("name", ["loop_over_two_runs", "undo_over_two_runs", "handed_over_command"])
def test_long_runs_are_kept_with_what_they_continued_as(name: str) -> None:
    first, *rest = sorted(HISTORIES.glob(f"{name}.*.json"))
    assert rest
    assert history(first).events[-1].HasField("workflow_execution_continued_as_new_event_attributes")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_history_is_small_and_tells_nothing_of_the_machine(file: Path) -> None:
    assert file.stat().st_size <= MOST_BYTES
    assert list(paths_in(json.loads(file.read_text()))) == []
