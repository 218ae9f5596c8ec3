"""A run's turn in its lane: asked for before anything of the run is performed, given back when it has ended."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

from codeai.workflows import calls
from codeai.workflows.attributes import describe_status
from codeai.workflows.beginning import Refused
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.executions import ExecutionRecord, ExecutionStatus
from codeai.workflows.contracts.lanes import Concurrency, LaneAnswer, ReleaseLane, TakeLane, Turn

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=2)
"""How long a run waits before it asks its lane again: soon at first, then ever more rarely."""
MOST_EVENTS = 1_000
"""Of a run that waits, before it continues as new: a week or two of questions."""


class LaneTurn:
    """`key` is the lane's that the run has asked, or goes on with; `position` its place when it asked; `since` when it
    asked first, in seconds since 1970."""

    def __init__(self) -> None:
        self.key: str | None = None
        self.position: int | None = None
        self.granted = False
        self.since = 0.0

    @property
    def text(self) -> str | None:
        """Where a run that has not begun stands, in words; its place is the one that it was told."""
        return None if self.position is None else f"number {self.position} in lane {self.key}"

    async def take(
        self, key: str | None, record: ExecutionRecord, concurrency: Concurrency, since: float | None = None
    ) -> bool:
        """Comes back when it is the run's turn; at once where it has no lane. False: the history has become long, and
        the run is to ask again in the next one, as one that waits `since` then. Raises Rejected."""
        if key is None or workflow.info().parent is not None:
            return True
        self.key = key
        self.since = since or workflow.info().workflow_start_time.timestamp()
        turn = Turn(
            execution=record.id,
            workflow_id=record.workflow_id,
            run=workflow.info().first_execution_run_id,
            since=self.since,
            concurrency=concurrency,
        )
        answer = await calls.TAKE_LANE(TakeLane(key=key, turn=turn, execution=record))
        if answer.answer == "rejected":
            raise Rejected(key, turn, answer)
        if answer.answer == "queued":
            self.position = answer.position
            describe_status(ExecutionStatus.QUEUED.value)
            await self._wait(TakeLane(key=key, turn=turn, execution=record))
            if not self.granted:
                return False
        if self.position is not None:  # it has said that it waits, maybe in a workflow run before this one
            describe_status(ExecutionStatus.RUNNING.value)
        return True

    async def _wait(self, asked: TakeLane) -> None:
        """Until the lane says that it is the run's turn, or the history is long. The lane is asked again now and then,
        for it may have been ended by force: then the question begins another one."""
        pause = FIRST_PAUSE
        while not self.granted and not _is_long():
            try:
                await workflow.wait_condition(lambda: self.granted, timeout=pause)
            except TimeoutError:
                answer = await calls.TAKE_LANE(asked)
                self.granted = self.granted or answer.answer == "granted"
                self.position = answer.position or self.position
                if answer.answer == "rejected":
                    raise Rejected(asked.key, asked.turn, answer) from None
                pause = min(pause * 2, LONGEST_PAUSE)

    async def give_back(self) -> None:
        """The run has ended: the lane goes on, also where it never was this run's turn."""
        if self.key is not None:
            run = workflow.info().first_execution_run_id
            await calls.RELEASE_LANE(ReleaseLane(key=self.key, run=run))


def _is_long() -> bool:
    info = workflow.info()
    is_long = info.get_current_history_length() >= MOST_EVENTS or info.is_continue_as_new_suggested()
    return is_long and workflow.all_handlers_finished()


class Rejected(Refused):
    """Its lane does not take the run."""

    def __init__(self, key: str, turn: Turn, answer: LaneAnswer) -> None:
        by = f"execution {answer.holder} has" if answer.holder else "others wait for"
        why = "this deployment's concurrency is reject"
        if turn.concurrency is not Concurrency.REJECT:
            why = "a later run has replaced this one, or too many wait already"
        super().__init__(
            RunError(
                kind="rejected",
                message=f"{by} the lane {key!r}, and {why}",
                details=({"lane": key, "holder": answer.holder},),
            )
        )
