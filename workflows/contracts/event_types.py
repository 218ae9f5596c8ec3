"""The types of events (★): the platform's own with who publishes them, and how those of others may be named."""

from __future__ import annotations

import re
from dataclasses import dataclass

from codeai.workflows.contracts.changes import BODIES, Action

SHAPE = r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+"
LONGEST = 128
_NAME = re.compile(SHAPE)


@dataclass(frozen=True, slots=True)
class Family:
    """The platform's own types that begin alike. `by` are the workflows that publish them, nobody else does;
    `types` the last words of those that have a meaning. Of one that is not `available` nothing is published yet."""

    types: tuple[str, ...]
    by: tuple[str, ...]
    help: str
    available: bool = False


_ENDS = ("started", "completed", "failed")
FAMILIES: dict[str, Family] = {
    "workflow": Family(
        _ENDS,
        ("ExecuteDeployment", "AIAgentPipeline", "TestSuite", "Saga"),
        "where a workflow that somebody asked for is",
        available=True,
    ),
    "execution": Family(
        (*_ENDS, "cancelled", "compensated", "rejected"),
        ("ExecuteDeployment",),
        "where a run is",
        available=True,
    ),
    "approval": Family(
        ("requested", "approved", "rejected", "expired", "withdrawn"),
        ("ExecuteDeployment",),
        "where an approval is: a decision is wanted, was taken, did not come in time, is wanted no more",
        available=True,
    ),
    "job": Family(("enqueued", *_ENDS), ("RunJob",), "where a job is"),
    "agent": Family(("executed",), ("AIAgentPipeline", "RunJob"), "an agent has answered"),
    "test.suite": Family(("completed",), ("TestSuite",), "a test suite has ended"),
    "webhook": Family(("triggered",), ("DeliverWebhook",), "a webhook was delivered"),
    "email": Family(("sent",), ("SendEmails",), "an e-mail was sent"),
    "change": Family(
        tuple(f"{kind}.{action}d" for kind in BODIES for action in Action),
        ("ChangeRecord",),
        "something that people configure was changed",
        available=True,
    ),
}
"""What types of the platform's own begin with."""


OF_RUNS: dict[str, tuple[str, ...]] = {
    "running": ("execution.started", "workflow.started"),
    "complete": ("execution.completed", "workflow.completed"),
    "failed": ("execution.failed", "workflow.failed"),
    "cancelled": ("execution.cancelled",),
    "compensated": ("execution.compensated",),
    "rejected": ("execution.rejected",),
}
"""What is published of a run (★), by the status that it has from then on."""


def family_of(type: str) -> Family | None:
    """The family of a type of the platform's own; None where the type is somebody else's."""
    return next((family for name, family in FAMILIES.items() if type.startswith(f"{name}.")), None)


def may_publish(type: str, by: str | None = None) -> bool:
    """Whether the workflow `by` may publish events of that type; without it, whether people and programs may."""
    family = family_of(type)
    return family is None or by in family.by


def well_named(type: str) -> bool:
    """Whether an event can have that type at all."""
    return len(type) <= LONGEST and _NAME.fullmatch(type) is not None


def naming() -> str:
    """What a type has to look like, for who gave another."""
    return (
        f"a type is lower-case words with dots between, such as order.paid, of at most {LONGEST} characters"
    )


def ownership(type: str) -> str:
    """Why somebody may not publish events of a type, and what to do."""
    first = next(name for name in FAMILIES if type.startswith(f"{name}."))
    return (
        f"{first}.* events are published by the platform alone; choose a type of your own, such as my.{type}"
    )
