"""The platform's own schedules (★): what it does by itself, and how often. Each is a Temporal Schedule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from codeai.workflows.contracts.kinds import APPLY_RETENTION, RECONCILE, Kind


@dataclass(frozen=True, slots=True)
class PlatformSchedule:
    """One of them, with a fixed id. A run that is due while another goes on is left out."""

    id: str
    kind: Kind
    every: timedelta
    help: str


PLATFORM_SCHEDULES = (
    PlatformSchedule(
        "codeai-reconcile", RECONCILE, timedelta(minutes=2), "mends rows that disagree with Temporal"
    ),
    PlatformSchedule(
        "codeai-retention", APPLY_RETENTION, timedelta(hours=1), "deletes what is older than it is kept for"
    ),
)
