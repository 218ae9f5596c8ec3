"""A step as a command: its environment, its arguments, and its end as a result."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from codeai.activities.masking import forms
from codeai.activities.secrets import Purpose, Secrets
from codeai.activities.shell import formats, output
from codeai.activities.shell.errors import SeedError
from codeai.activities.shell.formats import Confided, Exit, Spec
from codeai.activities.shell.settings import ShellSettings
from codeai.activities.shell.spool import Attempt, Ended, Lost, Refused
from codeai.activities.shell.workspaces import inside, reason
from codeai.dsl.limits import VARIABLE_TO_SHELL
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.shell import CommandInput, CommandResult, Outcome

ALLOWED = ("PATH", "HOME", "LANG", "TZ")
"""What every command sees of the worker's environment."""
RESULT_LIMIT = 1_500_000
"""Most bytes of a result as JSON: Temporal retries one over 2 MiB for ever."""

_ENV, _FILE = "env ", "file "
_OUTCOMES = {
    "timeout": Outcome.TIMEOUT,
    "cancelled": Outcome.CANCELLED,
    "killed": Outcome.LOST,
    "lease": Outcome.LOST,
}


class NoShell(Exception):
    """There is no bash on this host."""


def spec(step: CommandInput, work: Path, attempt: Attempt, settings: ShellSettings) -> Spec:
    """What the supervisor is given. SeedError for what the step asks and cannot have; NoShell; NoSandbox."""
    shell = shutil.which(settings.shell)
    if shell is None:
        raise NoShell(
            f"there is no {settings.shell} on this host: install it, or set worker.shell to its path"
        )
    folder = inside(work, step.cwd or ".")
    try:
        is_there = folder.is_dir()
    except OSError as error:  # the name is too long
        raise SeedError(f"cwd {step.cwd!r} is no path in the workspace: {reason(error)}") from error
    if not is_there:
        raise SeedError(f"cwd {step.cwd!r} is not a folder in the workspace")
    for name in (*step.files, *step.secret_files):
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise SeedError(f"{name!r} in files: is no file name")
    own = {
        "CODEAI_EXECUTION_ID": step.execution_id,
        "CODEAI_STEP_ID": step.step_id,
        "CODEAI_ATTEMPT": str(step.attempt),
        "CODEAI_WORKSPACE": str(work),
        "CODEAI_FILES": str(attempt.files),
    }
    script = attempt.folder / formats.SCRIPT
    argv = [shell, "--noprofile", "--norc", "-eo", "pipefail", str(script)]
    if settings.sandbox is not None:
        argv = settings.sandbox.argv(argv, str(folder), work.parent, work, (attempt.files, script))
    return Spec(
        argv=argv,
        env=environment(step, settings) | own,
        cwd=str(folder),
        timeout=step.timeout,
        grace=step.grace,
        capture=step.capture,
        log_limit=settings.log_limit,
        marks=[f"{name}={own[name]}" for name in ("CODEAI_STEP_ID", "CODEAI_ATTEMPT")],
        limits=dict(settings.limits),
        leased=step.lost_after is not None,
    )


def environment(step: CommandInput, settings: ShellSettings) -> dict[str, str]:
    """What is allowed of the worker's, then the step's own, less what it removes."""
    env = {name: os.environ[name] for name in (*ALLOWED, *settings.environment) if name in os.environ}
    env |= step.env
    for name in step.unset:
        env.pop(name, None)
    for name in (*env, *step.secrets):
        if not name or "=" in name:
            raise SeedError(f"{name!r} is no name of an environment variable")
    return env


async def confided(step: CommandInput, secrets: Secrets) -> Confided | None:
    """What the supervisor is told of the step's secrets; None where it has none. NotOpened; SeedError for a value
    that no environment holds."""
    texts = {_ENV + name: text for name, text in step.secrets.items()}
    texts |= {_FILE + name: text for name, text in step.secret_files.items()}
    if not texts and not step.hidden:
        return None
    purpose = Purpose(step.execution_id, step.step_id, step.attempt, step.line, step.use_secrets)
    opened = await secrets.open(texts, purpose, step.hidden)
    env = {name: opened.texts[_ENV + name] for name in step.secrets}
    for name, value in env.items():
        if (size := len(value.encode())) > VARIABLE_TO_SHELL:
            raise SeedError(
                f'the secret in "{name}" has {size:,} bytes, no environment holds more than {VARIABLE_TO_SHELL:,}: '
                "hand it over by files: {name: text}"
            )
        if "\0" in value:
            raise SeedError(
                f'the secret in "{name}" holds a NUL, which no environment can: hand it over by files:'
            )
    files = {name: opened.texts[_FILE + name].encode() for name in step.secret_files}
    return Confided(env, files, *await asyncio.to_thread(forms, opened.hidden))


def result(step: CommandInput, end: Ended | Refused | Lost) -> CommandResult:
    """How the attempt ended, small enough for Temporal."""
    if isinstance(end, Refused):
        outcome = {"cancelled": Outcome.CANCELLED, "lost": Outcome.LOST}.get(end.error.kind, Outcome.FAILED)
        return CommandResult(outcome=outcome, attempt=step.attempt, error=end.error, started=end.begun)
    if isinstance(end, Lost):
        message = "its supervisor died: nobody can know how the command ended"
        error = RunError(kind="lost", message=message, line=step.line)
        return CommandResult(outcome=Outcome.LOST, attempt=step.attempt, error=error, started=end.noted)
    capture = step.capture
    # A text as JSON may have six times its bytes: control characters are written as \u0001.
    while len((found := _ended(step, end, capture)).model_dump_json().encode()) > RESULT_LIMIT:
        capture //= 2
    return found


def answer(attempt: Attempt, result: CommandResult) -> None:
    """Has an attempt say how it ended, of which nothing else is left."""
    if result.error is not None:
        attempt.refuse(result.error, begun=result.started)
    else:
        out, err = result.stdout.encode(), result.stderr.encode()
        cut = result.truncated
        attempt.answer(Exit("exited", result.exit_code or 0, result.duration, out, cut, err, cut))


def _ended(step: CommandInput, end: Ended, capture: int) -> CommandResult:
    exit = end.exit
    stdout, out_cut = output.head(exit.stdout, capture, exit.out_cut)
    stderr, err_cut = output.tail(exit.stderr, capture, exit.err_cut)
    failed = exit.code or exit.cause in formats.LIMITS
    outcome = _OUTCOMES.get(exit.cause, Outcome.FAILED if failed else Outcome.SUCCEEDED)
    error = None
    if exit.cause != "exited":
        kind, message = {
            "timeout": ("timeout", f"the command ran longer than its timeout of {step.timeout:g} s"),
            "cancelled": ("cancelled", "the command was cancelled"),
            "killed": ("lost", "the command was ended on its host, by codeai down --kill"),
            "lease": ("lost", "its host ended the command, as it had heard nothing of Temporal for too long"),
            formats.CPU: _over("used more CPU time", "cpu_limit"),
            formats.MEMORY: _over("used more memory", "memory_limit"),
            formats.FILE_SIZE: _over("wrote a larger file", "file_size_limit"),
            formats.PROCESSES: _over("had more processes", "process_limit"),
        }[exit.cause]
        error = RunError(kind=kind, message=message, line=step.line, exit_code=exit.code, stderr=stderr)
    return CommandResult(
        outcome=outcome,
        exit_code=exit.code,
        stdout=stdout,
        stderr=stderr,
        duration=exit.duration,
        attempt=step.attempt,
        truncated=out_cut or err_cut,
        error=error,
    )


def _over(what: str, setting: str) -> tuple[str, str]:
    message = (
        f"the command {what} than a step may on this host, whose worker.{setting} says how much: it was ended"
    )
    return "exec_failed", message
