"""`ApplyRetention`: what is older than it is kept for (★), and where a run's files are."""

from __future__ import annotations

from pydantic import Field

from codeai.workflows.contracts.base import Contract, Exchanged

AGED: dict[str, str] = {
    "logs": "what runs printed, from their end on",
    "executions": "runs that have ended, with their steps, checkpoints and log; of each deployment the newest stays",
    "events": "events, from when they were stored",
}
"""Rows that are deleted by their age (★), in this order; how long they are kept is the setting `retention.<name>`."""


class RetentionInput(Contract):
    """Asks for one pass. `deleted` is what a pass that continued as new has deleted before."""

    triggered_by: str | None = None
    deleted: dict[str, int] = Field(default_factory=dict)


class RetentionResult(Contract):
    """What is gone now: rows by name, `workspaces`; and which hosts did not answer."""

    deleted: dict[str, int]
    silent: tuple[str, ...] = ()


class DeleteAged(Contract):
    """Asks for the deletion of the next rows of a kind that are past their time."""

    name: str


class AgedDeleted(Contract):
    """How many went; `more`: others are left."""

    count: int
    more: bool


class HostsWanted(Contract):
    """Asks which hosts there are."""


class HostsKnown(Contract):
    """Their ids."""

    hosts: tuple[str, ...]


class WorkspacesWanted(Exchanged):
    """Asks a host for the next workspaces that it holds, behind an execution's id."""

    after: str = ""


class WorkspacesHeld(Exchanged):
    """The executions that they are of, in order; `more`: there are others behind them."""

    executions: tuple[str, ...]
    more: bool = False


class RemoveWorkspaces(Exchanged):
    """Asks a host to remove workspaces. One whose commands still run stays."""

    executions: tuple[str, ...]


class WorkspacesRemoved(Exchanged):
    """How many it has removed."""

    count: int
