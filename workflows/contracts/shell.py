"""What a shell step is given and what comes back: one attempt is one activity."""

from __future__ import annotations

from enum import StrEnum
from posixpath import isabs
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from codeai.workflows.contracts.base import Contract, Exchanged
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.file_seeds import check_paths
from codeai.workflows.contracts.git_seeds import GitSeed
from codeai.workflows.contracts.steps import NO_NOTES, Notes, SecretText, UndoEntry

MOST_FILES = 10_000
"""Files that come as texts: to look at 80,000 paths takes a seventh of a second, in which nobody else is answered."""


def _texts(given: Any) -> Any:
    """Of 100,000 files that are no text one is told, not each."""
    if isinstance(given, dict) and not all(isinstance(text, str) for text in given.values()):
        raise PydanticCustomError("no_text", "a file's text has to be a string")
    return given


class WorkspaceSeed(Contract):
    """What a run's workspace holds at its start; files are laid over the rest."""

    files: Annotated[dict[str, str], BeforeValidator(_texts)] | None = Field(None, description="path -> text")
    folder: str | None = Field(None, description="absolute path of a folder to copy")
    git: GitSeed | None = Field(None, description="{url, revision} of a repository")


class SeedBody(WorkspaceSeed):
    """A seed as a person gives it to us. What cannot be made is refused here; a run that was started with it
    otherwise, or whose config has it from earlier, fails with the same words at its first command."""

    @field_validator("files")
    @classmethod
    def _can_be_files(cls, files: dict[str, str] | None) -> dict[str, str] | None:
        if files is not None and len(files) > MOST_FILES:
            raise ValueError(f"there are at most {MOST_FILES:,} files; bring more by git or from a folder")
        check_paths(files or ())
        return files

    @field_validator("folder")
    @classmethod
    def _is_absolute(cls, folder: str | None) -> str | None:
        if folder is not None and not isabs(folder):
            raise ValueError("the folder must be an absolute path")
        return folder


class Outcome(StrEnum):
    """How a command ended. These are step statuses and the undo's CODEAI_STEP_OUTCOME."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMEOUT = "timeout"
    LOST = "lost"
    CANCELLED = "cancelled"


class CommandInput(Exchanged):
    """One attempt of one shell step, for the activity `run_command` on `codeai-exec@<host>`."""

    execution_id: str
    workflow_id: str
    run: str = Field(
        "",
        description="which run under that id: the first workflow run's id, however often that continued as new",
    )
    step_id: str = Field(description="UUID; the same on every attempt: CODEAI_STEP_ID")
    seq: int = Field(description="the step's number in the run, from 1")
    line: int
    attempt: int = Field(1, ge=1)
    spool: str = Field("", description="spool id that claim_host answered; another one on disk means: lost")
    lost_after: float | None = Field(
        None, description="seconds until the silent host is given up: so long is its lease; None: it has none"
    )
    room: str = Field("", description="tells this workspace from others of the run on the same host")
    text: str = Field(description="the shell text")
    env: dict[str, str] = Field(default_factory=dict, description="by mention and by the option env")
    unset: tuple[str, ...] = Field((), description="names that `env: {NAME: null}` removes")
    secrets: dict[str, SecretText] = Field(default_factory=dict, description="more of the environment")
    files: dict[str, str] = Field(default_factory=dict, description="name -> text, for $CODEAI_FILES")
    secret_files: dict[str, SecretText] = Field(default_factory=dict, description="more files")
    hidden: tuple[str, ...] = Field((), description="secrets of earlier steps: their values are masked, too")
    use_secrets: bool = Field(True, description="whether who started the run may use secrets")
    cwd: str | None = None
    timeout: float = Field(600.0, description="seconds from the command's start")
    grace: float = 10.0
    capture: int = Field(65536, description="bytes kept of each output")
    workspace: WorkspaceSeed | None = Field(None, description="seeds the workspace where it is not there yet")
    undo: UndoEntry | None = None
    kind: str = Field("exec", description="exec or undo: the kind of the step's row")
    undoes: int | None = Field(None, description="of an undo block: the step that it undoes")
    notes: Notes = Field(NO_NOTES, description="what the run has to tell that came before this command")


class CommandResult(Exchanged):
    """How the attempt ended. `error` is set where the command never started or ended by anything but its exit
    (time-out, loss): its kind is the language's."""

    outcome: Outcome
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    duration: float = Field(0.0, description="seconds")
    attempt: int = 1
    truncated: bool = False
    recorded: bool = Field(True, description="false: nobody has written it to the step's row")
    started: bool = Field(True, description="false: it is certain that the command never began")
    spool: str = Field(
        "", description="its host's spool id now: another one than before after a start of the machine"
    )
    error: RunError | None = None
