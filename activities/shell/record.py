"""What the runner needs of the database: three facts about a step that must hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from codeai.workflows.contracts.shell import CommandInput, CommandResult


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of a step's output. (step, attempt, position) never has another content, however often it
    comes."""

    step_id: str
    attempt: int
    position: int
    """Byte offset in the spool."""
    stream: str
    """stdout, stderr, or system for the truncation mark."""
    time: datetime
    """When it arrived at the supervisor, UTC."""
    text: str


class StepRecord(Protocol):
    """Where steps and their output are written. Every method returns when it is durable, may be called
    again with the same facts, and raises where the database is away: the runner calls again until it
    holds."""

    async def started(self, step: CommandInput, host: str, at: datetime) -> bool:
        """The attempt will be started on `host`; comes before the spawn. Whether nobody had said so before."""

    async def ending(self, step: CommandInput) -> CommandResult | None:
        """How the attempt ended, if that is written."""

    async def output(self, execution_id: str, chunks: Sequence[Chunk]) -> None:
        """What one attempt printed, in order. A later attempt, or the word that this one was lost, ends it."""

    async def ended(self, step: CommandInput, result: CommandResult, at: datetime) -> None:
        """How the attempt ended; comes before the activity is completed."""
