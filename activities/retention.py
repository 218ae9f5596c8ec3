"""Retention: rows past their time are deleted, batch after batch; which runs' files may go is asked of the rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from codeai.persistence.aged import DELETIONS, Aged
from codeai.persistence.engine import Database
from codeai.persistence.hosts import Hosts
from codeai.settings import RetentionSettings
from codeai.workflows.contracts.retention import (
    AgedDeleted,
    DeleteAged,
    HostsKnown,
    HostsWanted,
    WorkspacesHeld,
)

AT_ONCE = 10.0
"""Seconds that one activity goes on with batches."""


@dataclass(frozen=True, slots=True)
class Retention:
    """By the settings of the worker that has the activity. None is for ever."""

    database: Database
    settings: RetentionSettings

    def activities(self) -> list[Callable[..., Any]]:
        return [self.delete_aged, self.list_hosts, self.find_aged_runs]

    @activity.defn(name="delete_aged")
    async def delete_aged(self, given: DeleteAged) -> AgedDeleted:
        """Each batch is a transaction of its own, so that nobody waits for it long."""
        delete = DELETIONS.get(given.name)
        if delete is None:
            raise ApplicationError(
                f"there is nothing called {given.name!r} to delete", type="invalid_input", non_retryable=True
            )
        before = self._before(given.name)
        count, until = 0, time.monotonic() + AT_ONCE
        while before is not None:
            async with self.database.transaction() as rows:
                batch = await delete(Aged(rows), before)
            count += batch.count
            if not batch.more:
                break
            if time.monotonic() > until:
                return AgedDeleted(count=count, more=True)
        return AgedDeleted(count=count, more=False)

    @activity.defn(name="list_hosts")
    async def list_hosts(self, _given: HostsWanted) -> HostsKnown:
        async with self.database.session() as rows:
            return HostsKnown(hosts=tuple(await Hosts(rows).ids()))

    @activity.defn(name="find_aged_runs")
    async def find_aged_runs(self, given: WorkspacesHeld) -> WorkspacesHeld:
        """Those of the runs whose files may go."""
        before = self._before("workspaces")
        if before is None:
            return WorkspacesHeld(executions=())
        async with self.database.session() as rows:
            kept = await Aged(rows).still_needed(given.executions, before)
        return WorkspacesHeld(executions=tuple(id for id in given.executions if id not in kept))

    def _before(self, name: str) -> datetime | None:
        seconds: float | None = getattr(self.settings, name)
        return None if seconds is None else datetime.now(UTC) - timedelta(seconds=seconds)
