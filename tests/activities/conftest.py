"""What activities are tried with: the process that compiles, and a place in a workflow's run."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest
from temporalio.testing import ActivityEnvironment

from codeai.activities.compilers import Compilers

SCHEDULED = datetime(2026, 11, 25, 12, tzinfo=UTC)

Place = Callable[..., ActivityEnvironment]


@pytest.fixture(scope="session")
def compilers() -> Iterator[Compilers]:
    with closing(Compilers()) as compilers:
        yield compilers


@pytest.fixture
def place() -> Place:
    """Makes the place of one activity; the same workflow and run again is a repeated attempt."""

    def made(workflow: str | None = None, run: str | None = None, attempt: int = 1) -> ActivityEnvironment:
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(
            environment.info,
            workflow_id=workflow or f"change/{uuid.uuid4()}",
            workflow_run_id=run or str(uuid.uuid4()),
            attempt=attempt,
            scheduled_time=SCHEDULED,
        )
        return environment

    return made
