"""The task queues (★): who polls what, with how many slots."""

from __future__ import annotations

from dataclasses import dataclass

WORKFLOWS = "codeai-workflows"
EXEC = "codeai-exec"


def exec_on(host: str) -> str:
    """The queue of the shell steps of runs on `host`."""
    return f"{EXEC}@{host}"


@dataclass(frozen=True, slots=True)
class TaskQueue:
    """One queue; a name that ends in `@` has the host's id behind it."""

    name: str
    role: str
    slots: int
    workflow_slots: int = 0
    help: str = ""


OF_WORKFLOWS = TaskQueue(
    WORKFLOWS, "workflows", 100, 100, "workflow code; short database and bookkeeping activities"
)
OF_CLAIMS = TaskQueue(EXEC, "exec", 4, help="which host takes the run (claim_host)")
OF_COMMANDS = TaskQueue(
    f"{EXEC}@", "exec", 100, help="the run's shell steps, of which worker.commands_at_once run at a time"
)

TASK_QUEUES = (OF_WORKFLOWS, OF_CLAIMS, OF_COMMANDS)
COMMANDS_AT_ONCE = 4
"""Shell commands that one host runs at a time."""
