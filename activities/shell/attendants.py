"""The attendants of a worker: who attends what, and who is found unattended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

import structlog
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetStickyTaskQueueRequest
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from codeai.activities.shell.attendant import ANSWER, Attendant
from codeai.activities.shell.bookkeeping import Bookkeeping
from codeai.activities.shell.desk import Desk
from codeai.activities.shell.spool import Attempt, Ended, Lost, Running, Token
from codeai.workflows.contracts.shell import CommandInput

LOOK = 0.3
"""Seconds between two looks for what nobody attends."""
AFTER_TROUBLE = 2.0
"""Seconds until an attempt whose attendant failed is attended again."""
SWEEP = 60.0
"""Seconds between two looks for folders of runs that have ended."""

_log = structlog.get_logger(__name__)


class Attendants:
    """One attendant at most for an attempt, on the whole host: it holds the folder's lock."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._attending: dict[str, tuple[Token, asyncio.Task[None]]] = {}
        self._trouble: dict[str, float] = {}
        self._taking = asyncio.Lock()
        self._detached = False

    async def take(self, token: Token, step: CommandInput | None = None, wanted: bool = False) -> None:
        """Attends the token's attempt, unless somebody does; an own attendant of an older token makes room.
        `step` is given with a token just made: without it the attempt is adopted. `wanted`: Temporal has
        just said so."""
        async with self._taking:
            if self._detached:  # the token is on disk: the next worker finds it
                return
            current = self._attending.get(token.key)
            if current is not None:
                if current[0].time >= token.time:
                    return
                current[1].cancel()
                await asyncio.gather(current[1], return_exceptions=True)
            attempt = self._desk.spool.attempt_of(token.key)
            lock = attempt.lock()
            if lock is None:
                return
            try:
                attendant = Attendant(self._desk, attempt, step or attempt.input(), token, wanted)
            except (OSError, ValueError):
                os.close(lock)
                raise
            task = asyncio.create_task(self._attend(attendant, adopted=step is None))
            self._attending[token.key] = (token, task)
            # Not in the task: one that is cancelled before its first step never comes to its `finally`.
            task.add_done_callback(lambda _: self._let_go(token, lock))

    def _let_go(self, token: Token, lock: int) -> None:
        os.close(lock)
        if self._attending[token.key][0] is token:
            del self._attending[token.key]

    async def _attend(self, attendant: Attendant, adopted: bool) -> None:
        key = attendant.token.key
        try:
            if adopted:
                _log.info("adopted", attempt=key, found=type(attendant.attempt.look()).__name__.lower())
                await self._reset_sticky_queue(attendant.token)
            await attendant.attend()
        except Exception:  # noqa: BLE001 - one attempt's trouble must not end the others' attendance
            _log.exception("an attempt could not be attended; it is tried again", attempt=key)
            self._trouble[key] = asyncio.get_running_loop().time() + AFTER_TROUBLE

    async def _reset_sticky_queue(self, token: Token) -> None:
        """The run's next task must not wait for the worker that is gone."""
        request = ResetStickyTaskQueueRequest(
            namespace=self._desk.client.namespace,
            execution=WorkflowExecution(workflow_id=token.workflow_id, run_id=token.run_id),
        )
        try:
            await self._desk.client.workflow_service.reset_sticky_task_queue(request, timeout=ANSWER)
        except RPCError as error:  # the run has ended, or Temporal is away: its time-out does it, later
            _log.info("a run's sticky queue was not reset", workflow=token.workflow_id, error=str(error))

    async def watch(self) -> None:
        """Adopts what nobody attends; lets go of what another worker's newer token asks for. Never
        returns; raises SpoolGone."""
        while True:
            try:
                self._desk.spool.must_be_there()
                for key, at in self._desk.spool.newest_tokens().items():
                    await self._adopt(key, at)
            except OSError as error:
                _log.error("the spool cannot be read", error=str(error))
                await asyncio.sleep(AFTER_TROUBLE)
            await asyncio.sleep(LOOK)

    async def _adopt(self, key: str, at: int) -> None:
        current = self._attending.get(key)
        now = asyncio.get_running_loop().time()
        if (current is not None and current[0].time >= at) or self._trouble.get(key, 0.0) > now:
            return
        self._trouble.pop(key, None)
        try:
            token = self._desk.spool.token(key, at)
            if token is not None:
                await self.take(token)
        except (OSError, ValueError) as error:
            _log.error("an attempt cannot be adopted", attempt=key, error=str(error))
            self._trouble[key] = now + AFTER_TROUBLE

    async def sweep(self) -> None:
        """Removes the folders of executions whose newest run has ended. Never returns."""
        while True:
            await asyncio.sleep(SWEEP)
            try:
                waited_for = {key.partition("/")[0] for key in self._desk.spool.newest_tokens()}
                for execution in self._desk.spool.executions():
                    attempts = self._desk.spool.attempts(execution)  # what comes later stays
                    if execution not in waited_for and await self._are_over(attempts):
                        if await self._tell(
                            attempts
                        ):  # which may have taken long: they go with the next look
                            continue
                        await asyncio.to_thread(self._desk.spool.remove, execution, attempts)
                await asyncio.to_thread(self._desk.spool.empty_trash)
            except OSError as error:
                _log.error("the spool cannot be swept", error=str(error))

    async def _are_over(self, attempts: Sequence[Attempt]) -> bool:
        """Whether the newest run of the execution that has them has ended."""
        try:
            if any(isinstance(attempt.look(), Running) for attempt in attempts):
                return False
            workflow_id = next((step.workflow_id for step in map(_input_of, attempts) if step), None)
            if workflow_id is None:
                return False
            run = self._desk.client.get_workflow_handle(workflow_id)
            return (await run.describe()).status != WorkflowExecutionStatus.RUNNING
        except RPCError as error:
            return error.status == RPCStatusCode.NOT_FOUND  # past the namespace's retention
        except OSError:  # another worker removes it
            return False

    async def _tell(self, attempts: Sequence[Attempt]) -> bool:
        """What ended when nobody waited for it any more is written all the same: its run may be taken up again. Whether
        there was anything."""
        told = False
        for attempt in attempts:
            if attempt.is_told or (lock := attempt.lock()) is None:
                continue
            try:
                step = _input_of(attempt)
                if step is not None and isinstance(attempt.look(), Ended | Lost):
                    await Bookkeeping(self._desk, attempt, step).end()
                    attempt.forget_output()
                    told = True
            finally:
                os.close(lock)
        return told

    async def detach(self) -> None:
        """Lets go of everything at once; what runs goes on."""
        self._detached = True
        async with self._taking:  # who is just being taken belongs to it
            tasks = [task for _, task in self._attending.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _input_of(attempt: Attempt) -> CommandInput | None:
    """None where it was torn by a power cut."""
    try:
        return attempt.input()
    except ValueError:
        return None
