"""What is asked of a host by its control queue, and where a run's commands go."""

from __future__ import annotations

from pydantic import Field

from codeai.workflows.contracts.base import Exchanged
from codeai.workflows.contracts.shell import CommandResult


class Place(Exchanged):
    """Where a run's commands of one label go."""

    host: str
    spool: str = Field(description="spool id that the host answered")
    lost_after: float | None = Field(
        None, description="seconds until the silent host is given up; None: never"
    )
    seeding: int = Field(0, description="how often a rerun was given a fresh workspace")
    is_left: bool = Field(False, description="the next command claims anew")


class ProbeInput(Exchanged):
    """Asks a host whether it is there."""


class ProbeResult(Exchanged):
    """It is."""

    spool: str = Field(description="its spool id; another one than before: it was started anew")
    running: int = Field(description="commands under way on it")


class KillInput(Exchanged):
    """Asks for the end of a run's commands on a host: with their grace, and never to be started again. It may be heard
    late, or again: what the run does since is not meant, whether it went on or was taken up after its end."""

    execution_id: str
    step_ids: tuple[str, ...] | None = Field(
        None,
        description="of these steps only; every step's where it is not given, but not a run's that goes on",
    )
    attempt: int | None = Field(None, description="of the steps no attempt after this one")
    if_ended: bool = Field(
        False,
        description="nothing where a run goes on: it takes up what one that was ended by force has left",
    )


class HearInput(Exchanged):
    """Asks a host to hear at once whether a command is to be cancelled, not only at its next heartbeat."""

    execution_id: str
    step_id: str


class Heard(Exchanged):
    """What it heard."""

    is_cancelled: bool = Field(description="an attempt of the step runs, and was told to end")


class CommandFound(Exchanged):
    """One attempt in a host's spool. `state`: absent (not started), running, ended, refused (will never start), lost
    (its supervisor died); `result` where it will not change any more."""

    step_id: str
    attempt: int
    state: str
    result: CommandResult | None = None


class KillResult(Exchanged):
    """All of them are dead, and how each ended is in its row. Here is what there was to end; with its texts where the
    steps were named."""

    commands: tuple[CommandFound, ...]
    spool: str = Field("", description="the host's spool id now")


class SpoolWanted(Exchanged):
    """Asks what a host's spool holds of a run."""

    execution_id: str


class SpoolFound(Exchanged):
    """Its attempts there, by step and attempt. Texts are left out: a run may have thousands."""

    commands: tuple[CommandFound, ...]
