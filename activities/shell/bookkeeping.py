"""The record of one attempt: that it begins, what it prints, how it ended. Whoever keeps it writes the same."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial

from codeai.activities.holding import until_it_holds
from codeai.activities.shell import commands
from codeai.activities.shell.desk import Desk
from codeai.activities.shell.output import Chunker
from codeai.activities.shell.record import Chunk
from codeai.activities.shell.spool import Attempt, Ended, Look, Lost, Refused
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.shell import CommandInput, CommandResult

_CHUNKS = 500  # most chunks recorded at once


class Bookkeeping:
    """From the attempt's beginning, also where somebody else has written a part already."""

    def __init__(self, desk: Desk, attempt: Attempt, step: CommandInput) -> None:
        self._desk = desk
        self._attempt = attempt
        self._step = step
        self._chunker = Chunker(step.step_id, step.attempt, desk.settings.log_limit)
        self._position = 0

    def look(self) -> Look:
        """What is certain of the attempt now: a power cut takes along what was noted last, so that only of this boot it
        is certain that nothing had begun."""
        look = self._attempt.look()
        if isinstance(look, Lost):
            return Lost(noted=look.noted or self._step.spool != self._desk.spool.id)
        return look

    async def refuse(self, error: RunError) -> None:
        """Takes the supervisor's place. Of an earlier boot it may have been there."""
        begun = self._step.spool != self._desk.spool.id and not await self.begin()
        self._attempt.refuse(error, begun=begun)

    async def recall(self) -> None:
        """Answers what has ended before with what was written of it, so that it is not started again: its folder went
        with its run, which was taken up again where it had been ended by force."""
        ended = await until_it_holds(lambda: self._desk.record.ending(self._step), "ending")
        if ended is not None:
            commands.answer(self._attempt, ended)

    async def begin(self) -> bool:
        """The attempt will be started. False where somebody has said so before: it may have begun."""
        now = datetime.now(UTC)
        return await until_it_holds(
            lambda: self._desk.record.started(self._step, self._desk.host, now), "started"
        )

    async def ship(self) -> bool:
        """Everything that is in the spool now; whether there was any."""
        begin = self._position
        while True:
            frames, position = self._attempt.output(self._position)
            if not frames:
                return self._position > begin
            await self._output(self._chunker.chunks(frames))
            self._position = position

    async def end(self) -> CommandResult:
        """The rest of the output, and how it ended, which it has."""
        look = self.look()
        if isinstance(look, Lost):
            await asyncio.to_thread(self._attempt.kill_rest)
        shipping = asyncio.ensure_future(self._ship_rest())
        if isinstance(look, Lost):  # what comes after the word that it was lost is not taken
            await shipping
        result, _ = await asyncio.gather(self.tell_end(look), shipping)
        return result

    async def tell_end(self, look: Look) -> CommandResult:
        """How it ended."""
        assert isinstance(look, Ended | Refused | Lost)
        if isinstance(look, Refused):  # perhaps before anybody had noted it
            await self.begin()
        result = commands.result(self._step, look).model_copy(update={"spool": self._desk.spool.id})
        now = datetime.now(UTC)
        await until_it_holds(lambda: self._desk.record.ended(self._step, result, now), "ended")
        return result

    async def _ship_rest(self) -> None:
        await self.ship()
        await self._output(self._chunker.rest(self._position, datetime.now(UTC)))

    async def _output(self, chunks: list[Chunk]) -> None:
        for begin in range(0, len(chunks), _CHUNKS):
            record = partial(
                self._desk.record.output, self._step.execution_id, chunks[begin : begin + _CHUNKS]
            )
            await until_it_holds(record, "output")
