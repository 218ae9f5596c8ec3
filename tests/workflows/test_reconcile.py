"""A pass of `Reconcile`, on the server that skips time: hosts that are away hold up no others. Breaks if commands of
ended runs go on for ever because those before them cannot be ended."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from temporalio import activity
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from codeai.workflows import reconcile
from codeai.workflows.contracts.hosts import KillInput, KillResult
from codeai.workflows.contracts.kinds import RECONCILE
from codeai.workflows.contracts.lanes import Whereabouts
from codeai.workflows.contracts.queues import control_on
from codeai.workflows.contracts.reconciling import CommandsLeft, FindCommands, MakeRows, MendRows, PageDone
from codeai.workflows.contracts.records import Nothing
from codeai.workflows.reconcile import Reconcile


@dataclass
class World:
    """`left` are the pages of commands of ended runs, by run and host."""

    left: list[list[tuple[str, str]]]
    killed: list[str] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    mended: list[MendRows] = field(default_factory=list)

    @activity.defn(name="mend_rows")
    async def mend(self, given: MendRows) -> PageDone:
        self.mended.append(given)
        return PageDone(count=0, next="more" if given.place is None else None)

    @activity.defn(name="make_rows")
    async def make(self, _given: MakeRows) -> PageDone:
        return PageDone(count=0, next=None)

    @activity.defn(name="find_commands")
    async def find(self, given: FindCommands) -> CommandsLeft:
        page = int(given.place or 0)
        found = [Whereabouts(execution=run, host=host) for run, host in self.left[page]]
        more = str(page + 1) if page + 1 < len(self.left) else None
        return CommandsLeft(commands=tuple(found), next=more)

    @activity.defn(name="kill_commands")
    async def kill(self, given: KillInput) -> KillResult:
        self.killed.append(given.execution_id)
        return KillResult(commands=())

    @activity.defn(name="end_steps")
    async def end(self, given: Whereabouts) -> Nothing:
        self.over.append(given.execution)
        return Nothing()


async def test_hosts_that_are_away_hold_up_no_others(
    server: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "describe", lambda *_: None)
    monkeypatch.setattr(reconcile, "describe_status", lambda *_: None)
    world = World([[("a", "away"), ("b", "away")], [("c", "away"), ("d", "here")], [("e", "here")]])
    async with (
        Worker(
            server.client,
            task_queue=RECONCILE.queue,
            workflows=[Reconcile],
            activities=[world.mend, world.make, world.find, world.end],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
        Worker(server.client, task_queue=control_on("here"), activities=[world.kill]),
    ):
        run = await server.client.start_workflow(RECONCILE.type, {}, id="r", task_queue=RECONCILE.queue)
        found = await run.result()
    assert (world.killed, world.over, found["ended"]) == (["d", "e"], ["d", "e"], 2)
    first, *others = world.mended
    assert first.since is not None, "nobody is told what was not told"
    assert [one.since for one in others] == [None]
