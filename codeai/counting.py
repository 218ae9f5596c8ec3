"""Counting: workflows that end and activities that they waited for, as a worker sees them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import datetime
from typing import Any

from temporalio import client, worker, workflow
from temporalio.exceptions import CancelledError, is_cancelled_exception

from codeai.metrics import Metrics

MOST_REMEMBERED = 10_000


class Counting(client.Interceptor, worker.Interceptor):
    """Tells the metrics of a worker. What a replay does again is not counted again."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._counted: OrderedDict[str, None] = OrderedDict()

    def workflow_interceptor_class(
        self,
        input: worker.WorkflowInterceptorClassInput,  # noqa: ARG002 (as its base has it)
    ) -> type[worker.WorkflowInboundInterceptor]:
        counting = self

        class Inbound(worker.WorkflowInboundInterceptor):
            def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
                super().init(_Outbound(outbound, counting._metrics))

            async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:
                try:
                    result = await super().execute_workflow(input)
                except workflow.ContinueAsNewError:
                    raise
                except (asyncio.CancelledError, CancelledError):
                    counting._ended("cancelled")
                    raise
                except Exception as error:
                    counting._ended("cancelled" if is_cancelled_exception(error) else "failed")
                    raise
                counting._ended("completed")
                return result

        return Inbound

    def _ended(self, status: str) -> None:
        """Once a run: Temporal hands out the last task again where a signal came in between."""
        if workflow.unsafe.is_replaying():
            return
        about = workflow.info()
        if about.run_id in self._counted:
            return
        self._counted[about.run_id] = None
        if len(self._counted) > MOST_REMEMBERED:
            self._counted.popitem(last=False)
        self._metrics.run_ended(about.workflow_type, status, _seconds_since(about.workflow_start_time))


class _Outbound(worker.WorkflowOutboundInterceptor):
    def __init__(self, next: worker.WorkflowOutboundInterceptor, metrics: Metrics) -> None:
        super().__init__(next)
        self._metrics = metrics

    def start_activity(self, input: worker.StartActivityInput) -> workflow.ActivityHandle[Any]:
        return self._timed(input.activity, super().start_activity(input))

    def start_local_activity(self, input: worker.StartLocalActivityInput) -> workflow.ActivityHandle[Any]:
        return self._timed(input.activity, super().start_local_activity(input))

    def _timed(self, name: str, handle: workflow.ActivityHandle[Any]) -> workflow.ActivityHandle[Any]:
        began, of = workflow.now(), workflow.info().workflow_type

        def ended(_: object) -> None:
            if not workflow.unsafe.is_replaying():
                self._metrics.step_ended(of, name, _seconds_since(began))

        handle.add_done_callback(ended)
        return handle


def _seconds_since(moment: datetime) -> float:
    """By the workflow's clock, which stands still within one of its tasks."""
    return max(0.0, (workflow.now() - moment).total_seconds())
