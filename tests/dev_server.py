"""A Temporal dev server that keeps nothing, with the settings and search attributes that `codeai up` gives its own: a
timer of a millisecond takes up to a second without them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from codeai.stack.temporal import DYNAMIC_OPTIONS, find_binary
from codeai.workflows.contracts.attributes import ENTITY, KIND, STATUS, TRIGGERED_BY


@contextlib.asynccontextmanager
async def dev_server(port: int | None = None) -> AsyncIterator[WorkflowEnvironment]:
    """At a free port where none is given."""
    made = await WorkflowEnvironment.start_local(
        port=port,
        dev_server_existing_path=str(find_binary()),
        dev_server_extra_args=DYNAMIC_OPTIONS,
        dev_server_log_level="error",
        search_attributes=[KIND, ENTITY, STATUS, TRIGGERED_BY],
        data_converter=pydantic_data_converter,
    )
    async with made:
        yield made
