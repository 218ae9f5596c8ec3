"""The live log of a run as server-sent events: log lines by offset, steps and status as they change, the end."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import asyncpg
import structlog
from temporalio.service import RPCError

from codeai.api.lifetimes import BEGINNING, Lifetime, farewell
from codeai.api.outages import reading
from codeai.api.problems import Refused
from codeai.api.stream_events import EndEvent, StatusEvent, StepEvent
from codeai.api.views import ApprovalView, LogView, View
from codeai.persistence.approvals import approval_of
from codeai.persistence.engine import Address
from codeai.persistence.executions import Execution, Executions
from codeai.persistence.logs import CHANNEL, LogLine, Logs
from codeai.persistence.notifications import notifications
from codeai.persistence.pages import Page
from codeai.persistence.reads import Reads
from codeai.persistence.steps import Step, Steps

LOOK_EVERY = 0.5
"""Seconds between two looks without being woken: a run's steps wake nobody."""
ALIVE_EVERY = 15.0
"""Seconds of silence after which a comment shows that the stream lives."""
LINES_AT_ONCE = 100  # 64 KiB each at most
LISTEN_AGAIN = 1.0

log = structlog.get_logger()


class Wakes:
    """Tells streams that their run's log grew: one listening connection for the whole process."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._listening: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def of(self, execution_id: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the run's log grew."""
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())
        woken = asyncio.Event()
        self._waiting[execution_id].add(woken)
        try:
            yield woken
        finally:
            self._waiting[execution_id].discard(woken)
            if not self._waiting[execution_id]:
                del self._waiting[execution_id]

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening

    async def _listen(self) -> None:
        """Streams look by themselves while the connection is away."""
        while True:
            try:
                async for execution_id in notifications(self._address, CHANNEL):
                    for woken in self._waiting.get(execution_id, ()):
                        woken.set()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.info("not listening to the log", reason=type(error).__name__)
            await asyncio.sleep(LISTEN_AGAIN)


@dataclass(slots=True)
class Follower:
    """One client that follows one run, from behind `offset`. `exists` says whether Temporal still has a run
    whose row is not there yet; `end` is over when the run is, or when that cannot be known."""

    database: Reads
    wakes: Wakes
    lifetime: Lifetime
    execution_id: str
    offset: int
    exists: Callable[[], Awaitable[bool]]
    end: Callable[[], Coroutine[None, None, None]]
    with_steps: bool = False
    _steps: _StepsSeen = field(init=False)
    _ended: str | None = field(default=None, init=False)
    _told: tuple[str, str | None] | None = field(default=None, init=False)
    _went_on: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._steps = _StepsSeen(self.execution_id)

    async def events(self) -> AsyncIterator[str]:
        """Server-sent events until the run has ended or the stream's time is over. A database that went away cuts the
        stream; the client comes back with Last-Event-ID."""
        yield BEGINNING
        said = time.monotonic()
        try:
            async with self.wakes.of(self.execution_id) as woken, _woken_by(self.end(), woken):
                while True:
                    await self.lifetime.check()
                    woken.clear()
                    async for event in self._look():
                        said = time.monotonic()
                        yield event
                    if self._ended is not None:
                        yield event_text("end", EndEvent(status=self._ended))
                        return
                    if time.monotonic() - said > ALIVE_EVERY:
                        said = time.monotonic()
                        yield ": alive\n\n"
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_EVERY):
                            await woken.wait()
        except Refused as refused:
            log.info("stream cut", reason=refused.code, execution_id=self.execution_id)
            yield farewell(refused)

    async def _look(self) -> AsyncIterator[str]:
        """What is new, in an order in which it can be read; sets `_ended` where the run has ended."""
        # First the status, last the log: what was written before an end is read before it is told.
        execution, began, ended = await self._begun()
        if execution is None and not await self.exists():
            # A short run may have begun and ended between the two questions: its row is there by now.
            execution, began, ended = await self._begun()
            if execution is None:
                self._ended = "failed"
                return
        for step in began:
            yield event_text("step", StepEvent.of(step))
        if execution is not None:
            for step in began:
                if step.kind == "approve":
                    asked = ApprovalView.of(approval_of(step, execution.deployment_id))
                    yield event_text("approval", asked)
        async for line in self._lines():
            yield event_text("log", LogView.of(line), line.offset)
        for step in ended:
            yield event_text("step", StepEvent.of(step))
        if execution is not None and not execution.ended and self._told != _where(execution):
            self._told = _where(execution)
            status, status_text = self._told
            yield event_text("status", StatusEvent(status=status, status_text=status_text))
        self._ended = await self._status_at_end(execution)

    async def _begun(self) -> tuple[Execution | None, list[Step], list[Step]]:
        """The run, its steps that began and those that ended."""
        async with reading(self.database) as rows:
            execution = await Executions(rows).get(self.execution_id)
            began, ended = await self._steps.changes(Steps(rows)) if self.with_steps else ([], [])
        return execution, began, ended

    async def _status_at_end(self, execution: Execution | None) -> str | None:
        """The status of a run that has ended, as far as one follows it. A row that had ended before may be one for
        which a command has just begun: then Temporal knows that it goes on."""
        if execution is None or not execution.ended:
            self._went_on = True
            return None
        with suppress(RPCError):  # While Temporal is away the row is what is known.
            if not self._went_on and await self.exists():
                return None
        return execution.status

    async def _lines(self) -> AsyncIterator[LogLine]:
        """The lines behind the offset: as many are in memory as are read at once, however long the log is, and the
        stream's time may be over before they are."""
        while True:
            await self.lifetime.check()
            async with reading(self.database) as rows:
                lines = await Logs(rows).after(self.execution_id, self.offset, LINES_AT_ONCE)
            for line in lines:
                self.offset = line.offset
                yield line
            if len(lines) < LINES_AT_ONCE:
                return


@asynccontextmanager
async def _woken_by(end: Coroutine[None, None, None], woken: asyncio.Event) -> AsyncIterator[None]:
    """Sets `woken` when `end` is over."""
    waiting = asyncio.ensure_future(end)
    waiting.add_done_callback(lambda _: woken.set())
    try:
        yield
    finally:
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting


@dataclass(slots=True)
class _StepsSeen:
    """Which steps were shown, and as what: what is settled is not read again."""

    execution_id: str
    cursor: str | None = None
    shown: dict[int, tuple[int, str]] = field(default_factory=dict)

    async def changes(self, steps: Steps) -> tuple[list[Step], list[Step]]:
        """The steps that began and those that ended since the last look."""
        began: list[Step] = []
        ended: list[Step] = []
        cursor = self.cursor
        settled = True
        while True:
            page = await steps.of(self.execution_id, Page(100, cursor))
            for step in page.items:
                now = (step.attempt, step.status)
                if self.shown.get(step.seq) != now:
                    self.shown[step.seq] = now
                    (began if step.status == "running" else ended).append(step)
            settled = settled and all(step.status != "running" for step in page.items)
            if page.next_cursor is None:
                return began, ended
            cursor = page.next_cursor
            if settled:
                self.cursor = cursor
                self.shown.clear()


def _where(execution: Execution) -> tuple[str, str | None]:
    return execution.status, execution.status_text


def event_text(event: str, data: View, id: int | str | None = None) -> str:
    """One server-sent event: its data is one JSON object on one line."""
    head = f"id: {id}\n" if id is not None else ""
    return f"{head}event: {event}\ndata: {data.adapter().dump_json(data).decode()}\n\n"
