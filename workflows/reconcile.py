"""`Reconcile`: finds rows that disagree with Temporal and mends them; ends what still runs of runs that have ended."""

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
    from codeai.workflows.contracts.hosts import KillInput
    from codeai.workflows.contracts.kinds import RECONCILE
    from codeai.workflows.contracts.lanes import Whereabouts
    from codeai.workflows.contracts.queues import control_on
    from codeai.workflows.contracts.reconciling import (
        FindCommands,
        MakeRows,
        MendRows,
        ReconcileInput,
        ReconcilePass,
        ReconcileResult,
    )
    from codeai.workflows.hosts import was_not_taken

OVERLAP = 600.0
"""Seconds by which passes overlap: a run that had just started may have had its row under way."""
FIRST = 86_400.0
"""Seconds that the first pass looks back for runs without a row."""
MOST_EVENTS = 2_000


@workflow.defn(name=RECONCILE.type)
class Reconcile:
    """One pass. All of it may be done again with the same outcome."""

    def __init__(self) -> None:
        self.stage = "running"
        self.at: ReconcilePass | None = None

    @workflow.run
    async def run(self, raw: RawValue = NOTHING) -> ReconcileResult:
        try:
            self.asked = decode(raw.payload.data, ReconcileInput)
        except InvalidInput as error:
            self.stage = "failed"
            raise ApplicationError(
                str(error), {"errors": list(error.errors)}, type="invalid_input", non_retryable=True
            ) from None
        describe(RECONCILE.type, "platform/rows", self.asked.triggered_by)
        self.at = at = self.asked.carried or first_pass()
        while at.stage != "done":
            self.at = at = await self._page(at)
            if workflow.info().get_current_history_length() >= MOST_EVENTS:
                again = self.asked.model_copy(update={"carried": at})
                go_on_as_new(again)
        self.stage = "completed"
        describe_status(self.stage)
        return ReconcileResult(began=at.began, mended=at.mended, made=at.made, ended=at.ended)

    @workflow.query
    def status(self) -> str:
        return self.stage

    @workflow.query
    def progress(self) -> dict[str, object]:
        """How far the pass has come, and what it has mended."""
        return {} if self.at is None else self.at.model_dump(mode="json")

    async def _page(self, at: ReconcilePass) -> ReconcilePass:
        """One page of the stage that the pass is at."""
        if at.stage == "rows":
            since = at.since if at.place is None and self.asked.execution is None else None
            done = await calls.MEND_ROWS(
                MendRows(execution=self.asked.execution, place=at.place, since=since)
            )
            after = "runs" if self.asked.execution is None else "commands"
            moved = {"mended": at.mended + done.count}
        elif at.stage == "runs":
            done = await calls.MAKE_ROWS(MakeRows(since=at.since, place=at.place))
            after = "commands"
            moved = {"made": at.made + done.count}
        else:
            return await self._end_commands(at)
        stage = after if done.next is None else at.stage
        return at.model_copy(update={**moved, "stage": stage, "place": done.next})

    async def _end_commands(self, at: ReconcilePass) -> ReconcilePass:
        """Commands of runs that have ended are ended on their hosts. A host that does not answer is asked again by
        the next pass."""
        left = await calls.FIND_COMMANDS(FindCommands(execution=self.asked.execution, place=at.place))
        asked = [one for one in left.commands if one.host not in at.silent]
        answers = await asyncio.gather(*(_end(one) for one in asked))
        dead = [one for one, answered in zip(asked, answers, strict=True) if answered]
        silent = {one.host for one, answered in zip(asked, answers, strict=True) if not answered}
        over = [one for one in left.commands if one in dead or one.lease_is_over]
        for one in over:
            await calls.END_STEPS(one)
        moved = {"place": left.next, "ended": at.ended + len(over), "silent": (*at.silent, *sorted(silent))}
        return at.model_copy(update={**moved, "stage": "done" if left.next is None else at.stage})


async def _end(one: Whereabouts) -> bool:
    """Whether the host has answered, so that they are dead."""
    try:
        given = KillInput(execution_id=one.execution, if_ended=True)
        await calls.KILL_COMMANDS.on(control_on(one.host))(given)
    except ActivityError as error:
        if not was_not_taken(error):
            raise
        return False
    return True


def first_pass() -> ReconcilePass:
    """A pass from where the one before began; a first one looks back for a day."""
    now = workflow.time()
    since = now - FIRST
    if workflow.has_last_completion_result():
        last = workflow.get_last_completion_result(ReconcileResult)
        since = last.began if last is not None else since
    return ReconcilePass(began=now, since=since - OVERLAP)
