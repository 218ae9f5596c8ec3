"""What a run tells the database of its effects that are no commands, and of what it has logged."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from codeai.workflows.contracts.base import Exchanged


class SecretText(Exchanged):
    """A text with secrets in it, in order; only an activity puts it together. A `secret_in_json` is escaped as
    JSON's strings are."""

    parts: tuple[tuple[Literal["text", "secret", "secret_in_json"], str], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The secrets in it."""
        return tuple(part for kind, part in self.parts if kind != "text")


class UndoEntry(Exchanged):
    """The compensation of an effect, kept with its step's record: written before the effect starts. That of a
    `run` has a `child` and no text."""

    line: int
    text: str = ""
    env: dict[str, str] = Field(default_factory=dict, description="the environment as it was")
    secrets: dict[str, SecretText] = Field(default_factory=dict, description="more of it")
    unset: tuple[str, ...] = ()
    child: str | None = Field(None, description="the execution that is compensated")
    cwd: str | None = None
    timeout: float = 600.0
    retry: int = 2
    backoff: float = 1.0
    when: str = Field("always", pattern="^(always|succeeded)$")
    queue: str | None = Field(None, description="its exec's label: the block runs on the same host")
    assigned: str | None = Field(None, description="NAME of `var NAME = exec … undo …`, if the text has it")


class LogLine(Exchanged):
    """One line of `log()`; its step makes it unique however often it is written."""

    step_id: str
    level: str
    text: str
    time: float = Field(description="seconds since 1970")
    kept: bool = Field(
        False, description="also where the log is full: what people did to the run, and are to do"
    )


class StepBegun(Exchanged):
    """An effect began. `arguments` are as people may see them: secrets are `***`."""

    step_id: str
    seq: int
    kind: str
    line: int
    command: str = Field(description="the effect in one line, for people")
    arguments: dict[str, Any] = Field(default_factory=dict)
    undo: UndoEntry | None = None
    started_at: float = Field(description="seconds since 1970")
    attempt: int = 1
    host: str | None = Field(None, description="of a command that was lost with its host")


class StepEnded(Exchanged):
    """An effect ended. `answer` is what the program got: `{"value": …}` or `{"error": …}`; of a command its
    `CommandResult`."""

    step_id: str
    attempt: int = 1
    status: str = Field(description="succeeded, failed, timeout, lost, cancelled")
    answer: dict[str, Any] = Field(default_factory=dict)
    completed_at: float


class Told(Exchanged):
    """What somebody said to a run: an entry of the audit log."""

    id: str
    at: float = Field(description="seconds since 1970")
    by: str | None
    via: str
    word: str = Field(description="the command")
    request_id: str | None = None
    workflow_id: str | None = None
    details: dict[str, Any] = Field(default_factory=dict)

    @property
    def program(self) -> str | None:
        """The hash of the program that the run goes on with; None also where a patch was refused."""
        return self.details.get("program") if self.word == "patch" else None


class Notes(Exchanged):
    """What nobody has written yet: it travels with the next record. Each can be written again and again."""

    lines: tuple[LogLine, ...] = ()
    begun: tuple[StepBegun, ...] = ()
    ended: tuple[StepEnded, ...] = ()
    told: tuple[Told, ...] = ()
    status: str | None = Field(None, description="the run's status from now on")
    status_text: str | None = None
    reopens: bool = Field(False, description="the run had ended, and a command to it begins")

    @property
    def is_empty(self) -> bool:
        return self == NO_NOTES


NO_NOTES = Notes()
