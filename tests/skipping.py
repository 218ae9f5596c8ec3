"""The real server that skips time, as Temporal's SDKs test with it."""

from __future__ import annotations

import sys
from pathlib import Path

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

SERVER = Path(sys.executable).with_name("temporal-test-server")


async def skipping_time() -> WorkflowEnvironment:
    """One of its own; to be used by `async with`."""
    return await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(SERVER), data_converter=pydantic_data_converter
    )
