"""`Lane`: one run at a time under a concurrency key, in the order of their starts."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from codeai.workflows import calls, lane_rules
    from codeai.workflows.anew import go_on_as_new
    from codeai.workflows.attributes import describe
    from codeai.workflows.contracts.decoding import NOTHING, InvalidInput, decode
    from codeai.workflows.contracts.hosts import KillInput
    from codeai.workflows.contracts.kinds import LANE
    from codeai.workflows.contracts.lanes import (
        LaneAnswer,
        LaneInput,
        LaneResult,
        LaneState,
        ReleaseInput,
        Turn,
        TurnInput,
        TurnsWanted,
    )
    from codeai.workflows.hosts import end_commands
    from codeai.workflows.settling import TRIP

LOOK = timedelta(seconds=30)
"""How often a lane looks whether its holder still runs: a run that was terminated tells nobody."""
IDLE = timedelta(minutes=1)
"""How long an empty lane stays."""
MOST_ASKED = 500
"""Questions that one workflow run answers: Temporal keeps 2,000 updates a run."""
MOST_EVENTS = 2_000


@workflow.defn(name=LANE.type)
class Lane:
    """All it knows is `state`. Handlers change it by the rules; the loop does what follows of it."""

    @workflow.init
    def __init__(self, raw: RawValue = NOTHING) -> None:
        self.state = LaneState()
        self.invalid: InvalidInput | None = None
        self.asked = 0
        self.asking: set[str] = set()
        self.knows = False
        """Whether it has looked if a lane before it was ended by force."""
        self.following: asyncio.Task[None] | None = None
        # Here, not in `run`: a question may come in the first task, before `run` begins.
        try:
            self.state = decode(raw.payload.data, LaneInput).carried
            self.knows = self.state != LaneState()
        except InvalidInput as error:
            self.invalid = error

    @workflow.run
    async def run(self, _raw: RawValue = NOTHING) -> LaneResult:
        if self.invalid is not None:
            raise ApplicationError(
                str(self.invalid),
                {"errors": list(self.invalid.errors)},
                type="invalid_input",
                non_retryable=True,
            )
        self.key = workflow.info().workflow_id.removeprefix(LANE.workflow_id(""))
        describe(LANE.type, LANE.workflow_id(self.key), None)
        if not self.knows:
            known = await calls.FIND_TURNS(TurnsWanted(key=self.key))
            self.state = lane_rules.recovered(self.state, known, self.asking)
            self.knows = True
        while True:
            await self._cancel_the_replaced()
            await self._call_the_next()
            if self._is_long():
                go_on_as_new(LaneInput(carried=self.state))
            was_empty = self.state.is_empty
            try:
                await workflow.wait_condition(
                    lambda: self._has_work() or self.state.is_empty is not was_empty,  # noqa: B023
                    timeout=IDLE if was_empty else LOOK,
                )
            except TimeoutError:
                if was_empty and self.state.is_empty:
                    return LaneResult()
                self._follow_the_holder()

    # What is done

    async def _cancel_the_replaced(self) -> None:
        while self.state.unwanted and not self._is_long():
            turn = self.state.unwanted[0]
            await calls.CANCEL_TURN(TurnInput(key=self.key, turn=turn))
            self.state = lane_rules.cancelled(self.state, turn)

    async def _call_the_next(self) -> None:
        """Grants the lane to the first who waits; one that has ended meanwhile is passed over."""
        self.state = lane_rules.call_next(self.state)
        while self.state.called and (turn := self.state.holder) is not None:
            answer = await calls.GRANT_TURN(TurnInput(key=self.key, turn=turn))
            if answer.told:
                self.state = lane_rules.told(self.state, turn)
            else:
                self.state = lane_rules.release(self.state, turn.run)
            self.state = lane_rules.call_next(self.state)

    def _follow_the_holder(self) -> None:
        if self.state.holder is not None and self.following is None:
            self.following = asyncio.ensure_future(self._follow(self.state.holder))

    async def _follow(self, turn: Turn) -> None:
        """A holder that ended without a word is followed only when its commands are dead."""
        found = await calls.LOOK_AT_TURN(TurnInput(key=self.key, turn=turn))
        for one in found.commands:
            if self.state.holder != turn:  # its word came meanwhile: it may have been reopened, and run again
                return
            await end_commands(one.host, one.lost_after, KillInput(execution_id=one.execution))
        if not found.running:
            self.state = lane_rules.release(self.state, turn.run)
            # With a command, that stands in the history before any later question: the loop may be busy and send none.
            await asyncio.sleep(TRIP)

    def _has_work(self) -> bool:
        if self.following is not None and self.following.done():
            following, self.following = self.following, None
            following.result()
        state = self.state
        return bool(state.unwanted) or state.called or (state.holder is None and bool(state.queue))

    def _is_long(self) -> bool:
        info = workflow.info()
        return (
            self.asked >= MOST_ASKED
            or info.get_current_history_length() >= MOST_EVENTS
            or info.is_continue_as_new_suggested()
        ) and workflow.all_handlers_finished()

    # What it is told and asked

    @workflow.update
    async def acquire(self, raw: RawValue = NOTHING) -> LaneAnswer:
        """A run asks for its turn."""
        try:
            turn = decode(raw.payload.data, Turn)
        except InvalidInput as error:
            raise ApplicationError(
                str(error), {"errors": list(error.errors)}, type="invalid_input", non_retryable=True
            ) from None
        if not self.knows:
            self.asking.add(turn.run)
            await workflow.wait_condition(lambda: self.knows)
        self.asked += 1
        self.state, answer = lane_rules.ask(self.state, turn)
        return answer

    @workflow.signal
    async def release(self, raw: RawValue = NOTHING) -> None:
        """A run has ended."""
        try:
            given = decode(raw.payload.data, ReleaseInput)
        except InvalidInput as error:
            workflow.logger.warning("a release was not taken: %s", error)
            return
        self.state = lane_rules.release(self.state, given.run)

    @workflow.query
    def status(self) -> dict[str, Any]:
        """Who has the lane and who waits for it, in their order."""
        state = self.state
        return {
            "status": "free" if state.holder is None else "held",
            "holder": None if state.holder is None else _shown(state.holder),
            "queue": [_shown(turn) for turn in state.queue],
        }


def _shown(turn: Turn) -> dict[str, Any]:
    return turn.model_dump(mode="json", include={"execution", "workflow_id", "since", "concurrency"})
