"""Looks after one attempt on behalf of the activity that waits for it: start, output, heartbeats, answer."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import timedelta

import structlog
from temporalio.client import AsyncActivityCancelledError
from temporalio.service import RPCError, RPCStatusCode

from codeai.activities.secrets import NotOpened
from codeai.activities.shell import commands, formats
from codeai.activities.shell.bookkeeping import Bookkeeping
from codeai.activities.shell.desk import Desk
from codeai.activities.shell.sandbox import NoSandbox
from codeai.activities.shell.spool import Absent, Attempt, Look, Refused, Running, Token
from codeai.dsl.brief import brief
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.shell import CommandInput, CommandResult, Outcome

HEARTBEAT = 2.0  # seconds between two of them; the activity's time-out is 10
ANSWER = timedelta(seconds=5)  # how long one call to Temporal may take
LEASE_MARGIN = 60.0  # seconds
_LOOK = 0.2  # seconds between two looks at a command that says nothing
_PAUSE = 0.05  # seconds at least between two shipments of output
_LOST_DATAGRAM = 2.0  # after which a spawn is asked for again, seconds

_log = structlog.get_logger(__name__)


class Attendant:
    """Attends one attempt for one token, from wherever the attempt is. It can be cancelled at any time: all
    that counts is on disk, and whoever comes next goes on from there."""

    def __init__(self, desk: Desk, attempt: Attempt, step: CommandInput, token: Token, wanted: bool) -> None:
        self.attempt = attempt
        self.token = token
        self._desk = desk
        self._step = step
        self._handle = desk.client.get_async_activity_handle(task_token=token.token)
        self._wanted = wanted
        self._answered = asyncio.Event()  # Temporal has answered a heartbeat: the token is good
        self._cancelled = asyncio.Event()
        self._stirred = asyncio.Event()  # the supervisor has written output, or hung up
        self._over = asyncio.Event()  # it has hung up
        self._bookkeeping = Bookkeeping(desk, attempt, step)
        self._confided: bytes | None = None
        if wanted:
            self._answered.set()

    async def attend(self) -> None:
        """Returns when the activity has its answer, or wants none from this token."""
        main = asyncio.create_task(self._serve())
        pulse = asyncio.create_task(self._heartbeats())
        try:
            await asyncio.wait((main, pulse), return_when=asyncio.FIRST_COMPLETED)
            if not main.done():  # Temporal does not know the token any more
                pulse.result()
                self._desk.spool.drop(self.token)
        finally:
            for task in (main, pulse):
                task.cancel()
            await asyncio.gather(main, pulse, return_exceptions=True)
        if not main.cancelled():
            main.result()

    async def _serve(self) -> None:
        look = self.attempt.look()
        if isinstance(look, Absent):
            await self._start()
        listener = self._listen()
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._follow())
                if not isinstance(look, Absent):
                    both.create_task(self._take_over(look))
        finally:
            self._hang_up(listener)
        await self._finish()

    # Starting

    async def _start(self) -> None:
        """Has the command started, or sees to it that nobody ever starts it."""
        starting = asyncio.create_task(self._begin())
        cancelled = asyncio.create_task(self._cancelled.wait())
        try:
            await asyncio.wait((starting, cancelled), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (starting, cancelled):
                task.cancel()
            await asyncio.gather(starting, cancelled, return_exceptions=True)
        if not starting.cancelled():
            starting.result()
        elif self._cancelled.is_set():
            self._refuse("cancelled", "it was cancelled before it had started")

    async def _begin(self) -> None:
        await self._answered.wait()
        noted = asyncio.create_task(self._bookkeeping.begin())
        try:
            ready = await self._prepare() if await self._is_of_this_spool(noted) else False
            if not await noted and isinstance(self.attempt.look(), Absent):  # before anything is started
                await self._bookkeeping.recall()
        finally:
            noted.cancel()
        while ready and isinstance(self.attempt.look(), Absent):
            slot = await self._desk.slots.take(self._step.execution_id)
            try:
                await self._desk.spawner.ask(str(self.attempt.folder), slot, self._confided)
            finally:
                os.close(slot)  # the supervisor has its own
            await self._appears()
        self._confided = None

    async def _is_of_this_spool(self, noted: asyncio.Task[bool]) -> bool:
        """False: whatever was started of it is gone with its spool, or the boot, and that is said. That nothing was is
        certain only where nobody has written before that it will be."""
        if self._step.spool == self._desk.spool.id:
            return True
        why = "its host has been started anew since the run came to it, or lost its spool"
        self._refuse("lost", why, begun=not await noted)
        return False

    async def _prepare(self) -> bool:
        """Lays out what the supervisor needs. False: it can never be started, and that is said."""
        try:
            await self._open_secrets()
            if not self.attempt.prepared:
                work = await self._desk.workspaces.of(
                    self._step.execution_id + self._step.room, self._step.workspace
                )
                spec = commands.spec(self._step, work, self.attempt, self._desk.settings)
                self.attempt.prepare(spec, self._step.text, self._step.files)
        except ValueError as error:  # a SeedError, or a text that no file or environment can hold
            self._refuse("value_error", str(error))
            return False
        except (commands.NoShell, NoSandbox) as error:
            self._refuse("exec_failed", str(error))
            return False
        except NotOpened as problem:
            self.attempt.refuse(problem.error)
            return False
        return True

    async def _open_secrets(self) -> None:
        """Has ready what the supervisor is told of them. It is never written down: whoever comes next opens them
        again, if nobody has started the command."""
        if self._desk.secrets is not None:
            confided = await commands.confided(self._step, self._desk.secrets)
            self._confided = None if confided is None else confided.encode()

    async def _appears(self) -> None:
        """Until there is an entry, or the datagram must be taken for lost."""
        pause, waited = 0.004, 0.0
        while waited < _LOST_DATAGRAM and isinstance(self.attempt.look(), Absent):
            await asyncio.sleep(pause)
            waited += pause
            pause = min(2 * pause, 0.1)

    def _refuse(self, kind: str, message: str, *, begun: bool = False) -> None:
        error = RunError(kind=kind, message=brief(message), line=self._step.line)
        self.attempt.refuse(error, begun=begun)

    # While it runs

    async def _take_over(self, look: Look) -> None:
        """What nobody may have written yet: another activity than the one that started it may have brought notes, and
        who refused it may have died just then. Not before Temporal wants the answer: of a token that it has forgotten
        all of this may have ended since, and the run with it."""
        if isinstance(look, Refused) or not self._step.notes.is_empty:
            await self._answered.wait()
            await self._bookkeeping.begin()

    def _listen(self) -> int | None:
        """Has output and the supervisor's end noticed at once; None where there is nothing to listen to."""
        try:
            fifo = os.open(self.attempt.folder / formats.ALIVE, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:  # it was refused
            return None
        asyncio.get_running_loop().add_reader(fifo, self._hear, fifo)
        return fifo

    def _hear(self, fifo: int) -> None:
        try:
            if not os.read(fifo, 65536):
                asyncio.get_running_loop().remove_reader(fifo)
                self._over.set()
        except BlockingIOError:
            return
        self._stirred.set()

    def _hang_up(self, fifo: int | None) -> None:
        if fifo is not None:
            asyncio.get_running_loop().remove_reader(fifo)
            os.close(fifo)

    async def _follow(self) -> None:
        """Ships the output until the command has ended."""
        told = False
        while isinstance(self.attempt.look(), Running):
            if self._cancelled.is_set() and not told:
                told = self.attempt.say(formats.CANCEL)
            self._stirred.clear()
            began = time.monotonic()
            if await self._bookkeeping.ship():  # who always has more lets others have their turn
                pause = min(max(_PAUSE, time.monotonic() - began), _LOOK)
                await _within(pause, self._over)
            await self._wait()

    async def _wait(self) -> None:
        """For output or the end, at most until the command is to be looked at again."""
        if (
            self._over.is_set()
        ):  # between the hang-up and its reason becoming visible there is next to nothing
            await asyncio.sleep(0.002)
            return
        await _within(_LOOK, self._stirred)

    async def _heartbeats(self) -> None:
        """Until the token is unknown to Temporal. Nothing but a requested cancel ends the command."""
        if self._wanted:
            await asyncio.sleep(HEARTBEAT)
        while True:
            sent = formats.clock()
            try:
                await self._handle.heartbeat(rpc_timeout=ANSWER)
                if self._renew(sent):
                    self._answered.set()
            except AsyncActivityCancelledError as answer:
                if answer.details and answer.details.cancel_requested and not self._cancelled.is_set():
                    self._cancelled.set()
                    self.attempt.say(formats.CANCEL)
                self._renew(sent)
                self._answered.set()
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    return
                _log.warning("a heartbeat was not answered", step=self._step.step_id, error=str(error))
            await asyncio.sleep(HEARTBEAT)

    def _renew(self, sent: float) -> bool:
        """Temporal has answered a heartbeat that was sent then: nothing else prolongs a lease. False where that could
        not be written: nothing begins without it, and what runs may run as long as it has one."""
        try:
            if isinstance(self.attempt.look(), Absent | Running):
                renew_lease(self.attempt, self._step, sent)
        except OSError as error:
            _log.warning("a lease was not renewed", step=self._step.step_id, error=str(error))
            return False
        return True

    # The answer

    async def _finish(self) -> None:
        """Records the end, then answers the activity."""
        result = await self._bookkeeping.end()
        self.attempt.forget_output()
        await self._answer(result)
        self._desk.spool.drop(self.token)

    async def _answer(self, result: CommandResult) -> None:
        pause = 0.1
        if result.outcome == Outcome.CANCELLED:
            await self._answered.wait()  # whether this activity, too, was asked to cancel
        while True:
            try:
                if result.outcome == Outcome.CANCELLED and self._cancelled.is_set():
                    await self._handle.report_cancellation(result, rpc_timeout=ANSWER)
                else:
                    await self._handle.complete(result, rpc_timeout=ANSWER)
                return
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    return
                _log.warning("an answer was not taken", step=self._step.step_id, error=str(error))
            await asyncio.sleep(pause)
            pause = min(2 * pause, 2.0)


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Waits for the event, so long at most."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        pass


def renew_lease(attempt: Attempt, step: CommandInput, sent: float) -> None:
    """Lets the command run on for what an answered heartbeat, sent then, allows; nothing where it needs no lease."""
    if step.lost_after is not None:
        attempt.renew(sent, lease_length(step.lost_after))


def lease_length(lost_after: float) -> float:
    """Seconds from an answered heartbeat: over before anybody can give the host up, by a minute where there is one."""
    return lost_after - min(LEASE_MARGIN, lost_after / 2)
