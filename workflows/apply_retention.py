"""`ApplyRetention`: deletes rows that are older than they are kept for, and the files of runs that ended long ago."""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from codeai.workflows import calls
    from codeai.workflows.anew import go_on_as_new
    from codeai.workflows.attributes import describe, describe_status
    from codeai.workflows.contracts.decoding import NOTHING, InvalidInput, decode
    from codeai.workflows.contracts.kinds import APPLY_RETENTION
    from codeai.workflows.contracts.queues import control_on
    from codeai.workflows.contracts.retention import (
        AGED,
        DeleteAged,
        HostsWanted,
        RemoveWorkspaces,
        RetentionInput,
        RetentionResult,
        WorkspacesHeld,
        WorkspacesWanted,
    )
    from codeai.workflows.hosts import was_not_taken

MOST_EVENTS = 2_000
WORKSPACES = "workspaces"


@workflow.defn(name=APPLY_RETENTION.type)
class ApplyRetention:
    """One pass. All of it may be done again: what is gone is gone."""

    def __init__(self) -> None:
        self.stage = "running"
        self.deleted: dict[str, int] = {}
        self.silent: list[str] = []

    @workflow.run
    async def run(self, raw: RawValue = NOTHING) -> RetentionResult:
        try:
            self.asked = decode(raw.payload.data, RetentionInput)
        except InvalidInput as error:
            self.stage = "failed"
            raise ApplicationError(
                str(error), {"errors": list(error.errors)}, type="invalid_input", non_retryable=True
            ) from None
        describe(APPLY_RETENTION.type, "platform/retention", self.asked.triggered_by)
        self.deleted = dict.fromkeys((*AGED, WORKSPACES), 0) | self.asked.deleted
        for name in AGED:
            await self._delete_rows(name)
        hosts = await calls.LIST_HOSTS(HostsWanted())
        await asyncio.gather(*(self._clear(host) for host in hosts.hosts))
        self.stage = "completed"
        describe_status(self.stage)
        return RetentionResult(deleted=self.deleted, silent=tuple(sorted(self.silent)))

    @workflow.query
    def status(self) -> str:
        return self.stage

    @workflow.query
    def progress(self) -> dict[str, int]:
        """What is gone so far."""
        return self.deleted

    async def _delete_rows(self, name: str) -> None:
        more = True
        while more:
            done = await calls.DELETE_AGED(DeleteAged(name=name))
            self.deleted[name] += done.count
            more = done.more
            if workflow.info().get_current_history_length() > MOST_EVENTS:
                again = self.asked.model_copy(update={"deleted": self.deleted})
                go_on_as_new(again)

    async def _clear(self, host: str) -> None:
        """Removes a host's old workspaces, page by page. One that does not answer is asked again by the next pass."""
        held = WorkspacesHeld(executions=(), more=True)
        while held.more:
            after = held.executions[-1] if held.executions else ""
            try:
                held = await calls.HOLD_WORKSPACES.on(control_on(host))(WorkspacesWanted(after=after))
                old = await calls.FIND_AGED_RUNS(held)
                if old.executions:
                    given = RemoveWorkspaces(executions=old.executions)
                    removed = await calls.REMOVE_WORKSPACES.on(control_on(host))(given)
                    self.deleted[WORKSPACES] += removed.count
            except ActivityError as error:
                if not was_not_taken(error):
                    raise
                self.silent.append(host)
                return
