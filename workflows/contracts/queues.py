"""The task queues (★): who polls what, with how many slots."""

from __future__ import annotations

from dataclasses import dataclass

WORKFLOWS = "codeai-workflows"
EXEC = "codeai-exec"


def exec_on(host: str) -> str:
    """The queue of the shell steps of runs on `host`."""
    return f"{EXEC}@{host}"


def control_of(host: str) -> str:
    """The control queue of `host`: probe, kill, read a spool."""
    return f"codeai-host@{host}"


@dataclass(frozen=True, slots=True)
class TaskQueue:
    """One queue; a name that ends in `@` has the host's id behind it."""

    name: str
    role: str
    slots: int
    workflow_slots: int = 0
    help: str = ""


TASK_QUEUES = (
    TaskQueue(WORKFLOWS, "workflows", 100, 100, "workflow code; short database and bookkeeping activities"),
    TaskQueue(EXEC, "exec", 4, help="which host takes the run (claim_host)"),
    TaskQueue(f"{EXEC}@", "exec", 100, help="the run's shell steps, with a semaphore of 4 inside"),
    TaskQueue("codeai-host@", "exec", 10, help="control: probe, kill, read a spool"),
)
COMMANDS_AT_ONCE = 4
"""Shell commands that one host runs at a time."""
