"""Correlation: the ids that stand on every log line, carried from a request through Temporal to its activities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from temporalio import activity, client, worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter
from temporalio.exceptions import TemporalError

from codeai.log_context import bind, bound, context

HEADER = "codeai-correlation"
CARRIED = ("request_id", "trace_id", "user_id")
"""What a request hands on; workflow and execution are known where the work is done."""
EXECUTION = "execution/"

Headers = Mapping[str, Payload]


class Correlating(client.Interceptor, worker.Interceptor):
    """On a client: what is asked for carries the ids of the request at hand. On a worker: log lines have them."""

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:
        return _Asking(next)

    def intercept_activity(
        self, next: worker.ActivityInboundInterceptor
    ) -> worker.ActivityInboundInterceptor:
        return _InActivity(next)

    def workflow_interceptor_class(
        self,
        input: worker.WorkflowInterceptorClassInput,  # noqa: ARG002 (as its base has it)
    ) -> type[worker.WorkflowInboundInterceptor]:
        return _InWorkflow


class _Asking(client.OutboundInterceptor):
    async def start_workflow(self, input: client.StartWorkflowInput) -> client.WorkflowHandle[Any, Any]:
        input.headers = _with_ids(input.headers)
        return await super().start_workflow(input)

    async def signal_workflow(self, input: client.SignalWorkflowInput) -> None:
        input.headers = _with_ids(input.headers)
        await super().signal_workflow(input)

    async def start_workflow_update(
        self, input: client.StartWorkflowUpdateInput
    ) -> client.WorkflowUpdateHandle[Any]:
        input.headers = _with_ids(input.headers)
        return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(
        self, input: client.StartWorkflowUpdateWithStartInput
    ) -> client.WorkflowUpdateHandle[Any]:
        for part in (input.start_workflow_input, input.update_workflow_input):
            part.headers = _with_ids(part.headers)
        return await super().start_update_with_start_workflow(input)


class _InActivity(worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        about = activity.info()
        ids = {
            **_ids(input.headers),
            **_of_workflow(about.workflow_id or ""),
            "operation": about.activity_type,
        }
        with bound(**ids):
            return await super().execute_activity(input)


class _InWorkflow(worker.WorkflowInboundInterceptor):
    """Ids are those of the request that started the run, whoever signals it later."""

    def init(self, outbound: worker.WorkflowOutboundInterceptor) -> None:
        super().init(_FromWorkflow(outbound))

    async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:
        about = workflow.info()
        ids = {
            **_ids(input.headers),
            **_of_workflow(about.workflow_id),
            "operation": about.workflow_type,
        }
        bind(**ids)  # of the run's own tasks
        return await super().execute_workflow(input)


class _FromWorkflow(worker.WorkflowOutboundInterceptor):
    def start_activity(self, input: worker.StartActivityInput) -> workflow.ActivityHandle[Any]:
        input.headers = _handed_on(input.headers)
        return super().start_activity(input)

    def start_local_activity(self, input: worker.StartLocalActivityInput) -> workflow.ActivityHandle[Any]:
        input.headers = _handed_on(input.headers)
        return super().start_local_activity(input)

    async def start_child_workflow(
        self, input: worker.StartChildWorkflowInput
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        input.headers = _handed_on(input.headers)
        return await super().start_child_workflow(input)

    def continue_as_new(self, input: worker.ContinueAsNewInput) -> NoReturn:
        input.headers = _handed_on(input.headers)
        super().continue_as_new(input)


def _with_ids(headers: Headers) -> Headers:
    """With the ids of the request at hand, where there is one."""
    said = context()
    ids = {name: str(said[name]) for name in CARRIED if said.get(name)}
    return {**headers, HEADER: PayloadConverter.default.to_payload(ids)} if ids else headers


def _handed_on(headers: Headers) -> Headers:
    """With the ids that the run came with. From its own input, so that a replay makes the same."""
    carried = workflow.info().headers.get(HEADER)
    return headers if carried is None else {**headers, HEADER: carried}


def _ids(headers: Headers) -> dict[str, str]:
    """What a header carries; anybody who may start workflows can write one, so only what looks like ids counts."""
    carried = headers.get(HEADER)
    if carried is None:
        return {}
    try:
        ids = PayloadConverter.default.from_payload(carried)
    except (TemporalError, ValueError, RuntimeError, KeyError, TypeError):
        return {}
    if not isinstance(ids, dict):
        return {}
    return {name: ids[name][:255] for name in CARRIED if isinstance(ids.get(name), str)}


def _of_workflow(workflow_id: str) -> dict[str, str]:
    """The ids that a workflow's own id says."""
    said = {"workflow_id": workflow_id, "entity": workflow_id}
    if workflow_id.startswith(EXECUTION):
        said["execution_id"] = workflow_id.removeprefix(EXECUTION)
    return said
