"""A workflow that looks at the clock, as none may: what the sandboxed replay has to find."""

from __future__ import annotations

import time

from temporalio import workflow
from temporalio.common import RawValue

from codeai.workflows.contracts.decoding import NOTHING
from codeai.workflows.contracts.executions import ExecuteResult
from codeai.workflows.execute_deployment import ExecuteDeployment


@workflow.defn(name="ExecuteDeployment")
class Clocked(ExecuteDeployment):
    """Decides nothing by what it saw, so that only the sandbox can tell."""

    @workflow.run
    async def run(self, raw: RawValue = NOTHING) -> ExecuteResult:
        time.time()
        return await super().run(raw)
