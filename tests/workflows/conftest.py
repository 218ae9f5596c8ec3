"""What runs of `ExecuteDeployment` need on the server that skips time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from temporalio.testing import WorkflowEnvironment

from codeai.workflows import execute_deployment, lane_turn
from tests.skipping import skipping_time


@pytest.fixture
async def server() -> AsyncIterator[WorkflowEnvironment]:
    async with await skipping_time() as running:
        yield running


@pytest.fixture
def without_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    """That server knows no search attributes."""
    for module, name in (
        (execute_deployment, "describe"),
        (execute_deployment, "describe_status"),
        (lane_turn, "describe_status"),
    ):
        monkeypatch.setattr(module, name, lambda *_: None)
