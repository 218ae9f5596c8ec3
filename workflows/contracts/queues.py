"""The task queues (★): who polls what, with how many slots."""

from __future__ import annotations

import re
from dataclasses import dataclass

WORKFLOWS = "codeai-workflows"
EXEC = "codeai-exec"
CONTROL = "codeai-host"
DEPLOYMENT = "codeai"
"""The Worker Deployment whose versions are the builds of the workers of `codeai-workflows`."""

LABEL = re.compile(r"[0-9A-Za-z._-]{1,64}")
"""How runners may be labelled."""


def claims_on(label: str | None) -> str:
    """The queue on which the hosts with that label (or without one) take runs."""
    return EXEC if label is None else f"{EXEC}-{label}"


def exec_on(host: str) -> str:
    """The queue of the shell steps of runs on `host`."""
    return f"{EXEC}@{host}"


def control_on(host: str) -> str:
    """The queue of what has to reach `host` however busy it is."""
    return f"{CONTROL}@{host}"


@dataclass(frozen=True, slots=True)
class TaskQueue:
    """One queue; a name that ends in `@` has the host's id behind it, one that ends in `-` a label."""

    name: str
    role: str
    slots: int
    workflow_slots: int = 0
    help: str = ""


OF_WORKFLOWS = TaskQueue(
    WORKFLOWS, "workflows", 100, 100, "workflow code; short database and bookkeeping activities"
)
OF_CLAIMS = TaskQueue(EXEC, "exec", 4, help="which host takes the run (claim_host)")
OF_LABELLED_CLAIMS = TaskQueue(
    f"{EXEC}-", "exec --label", 4, help="the same, for steps with that label in `queue`"
)
OF_COMMANDS = TaskQueue(
    f"{EXEC}@", "exec", 100, help="the run's shell steps, of which worker.commands_at_once run at a time"
)
OF_CONTROL = TaskQueue(
    f"{CONTROL}@", "exec", 10, help="whether the host is there; ending commands; what its spool holds"
)

TASK_QUEUES = (OF_WORKFLOWS, OF_CLAIMS, OF_LABELLED_CLAIMS, OF_COMMANDS, OF_CONTROL)
COMMANDS_AT_ONCE = 4
"""Shell commands that one host runs at a time."""
POLLERS = 2
"""Polls that a host's worker keeps open on each of its queues: a frozen worker's each swallow a task."""
