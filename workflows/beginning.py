"""How a run begins: what its input says, before anything of it is performed."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, TypeAdapter
from temporalio import workflow

from codeai.dsl.faults import Fault
from codeai.dsl.inputs import check_inputs
from codeai.dsl.program import Code
from codeai.dsl.stored import decode
from codeai.dsl.values import Array, ErrorValue, ExecValue, Map, SecretHandle, Value
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.executions import (
    Carried,
    ExecuteInput,
    ExecutionRecord,
    ExecutionStatus,
    FailurePolicy,
    Queued,
    derived_id,
)
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
from codeai.workflows.contracts.lanes import Concurrency
from codeai.workflows.contracts.records import LoadResult
from codeai.workflows.contracts.steps import SecretText
from codeai.workflows.effects.outbox import must_fit

_EXEC = TypeAdapter(tuple[str, str, int, float, int, bool], config=ConfigDict(strict=True))
_ERROR = TypeAdapter(tuple[str, str, int | None, int | None, str | None], config=ConfigDict(strict=True))


class Refused(Exception):
    """The run cannot begin: its program, its inputs or what it is told to do is wrong."""

    def __init__(self, error: RunError) -> None:
        super().__init__(error.message)
        self.error = error


def first_record(asked: ExecuteInput) -> ExecutionRecord:
    """The run's row as far as the input says it; the id is made of the workflow where none was given."""
    info = workflow.info()
    return ExecutionRecord(
        id=asked.execution or derived_id(info.workflow_id, info.first_execution_run_id),
        workflow_id=info.workflow_id,
        inputs=asked.inputs,
        failure_policy=asked.failure_policy or FailurePolicy.UNDO,
        triggered_by=asked.triggered_by,
        via=asked.via if info.parent is None else "run",
        request_id=asked.request_id,
        started_at=info.workflow_start_time.timestamp(),
        root=_execution_of(info.root.workflow_id) if info.root is not None else None,
    )


def _execution_of(workflow_id: str) -> str | None:
    """The execution that a workflow of ours is by its id; None where it was started under another one."""
    prefix, _, id = workflow_id.partition("/")
    return id if prefix == EXECUTE_DEPLOYMENT.prefix else None


def completed_record(record: ExecutionRecord, asked: ExecuteInput, loaded: LoadResult) -> ExecutionRecord:
    """The row with what the config and the deployment say."""
    return record.model_copy(
        update={
            "deployment_id": loaded.deployment_id,
            "config_id": loaded.config_id,
            "version": loaded.version,
            "content_hash": loaded.program_hash,
            "inputs": {**loaded.inputs, **asked.inputs},
            "failure_policy": asked.failure_policy or loaded.failure_policy,
        }
    )


def as_queued(loaded: LoadResult, queued: Queued) -> LoadResult:
    """What config and deployment said of a run that waits in its lane, when it first asked."""
    return loaded.model_copy(
        update={
            "lane": queued.lane,
            "concurrency": Concurrency(queued.concurrency),
            "park_timeout": queued.park_timeout,
            "workspace": queued.workspace,
        }
    )


def given_inputs(code: Code, record: ExecutionRecord, values: dict[str, Any] | None) -> dict[str, Any]:
    """The inputs of the run by name; `values` are those of a parent program. Raises Refused."""
    inputs = record.inputs
    if values is not None:
        try:
            inputs = {name: _well_formed(decode(value)) for name, value in values.items()}
        except (AttributeError, Fault, LookupError, TypeError, ValueError):
            raise Refused(
                RunError(kind="invalid_input", message="values: not as a run() writes them")
            ) from None
    problems = check_inputs(code, inputs)
    if problems:
        raise Refused(
            RunError(
                kind="invalid_input",
                message="; ".join(problem.message for problem in problems),
                line=problems[0].line,
                details=tuple({"field": one.name, "message": one.message} for one in problems),
            )
        )
    return inputs


def _well_formed(value: Value) -> Value:
    """A value that anybody may have written. Raises ValueError where it has parts that it cannot have."""
    if isinstance(value, Array | Map):
        for item in value.values() if isinstance(value, Map) else value:
            _well_formed(item)
    elif isinstance(value, ExecValue):
        _EXEC.validate_python(tuple(getattr(value, name) for name in ExecValue.FIELDS))
    elif isinstance(value, ErrorValue):
        _ERROR.validate_python((value.kind, value.message, value.line, value.exit_code, value.stderr))
        for error in value.errors or ():
            _well_formed(error)
    elif isinstance(value, SecretHandle):
        SecretText.model_validate({"parts": value.parts})
    return value


def must_be_sendable(record: ExecutionRecord) -> None:
    """Raises Refused(limit) where the inputs of a run are more than its activities can be given."""
    try:
        must_fit(record, "what the run is given as inputs")
    except Fault as fault:
        raise Refused(RunError(kind=fault.kind, message=fault.message)) from None


def must_be_retriable(status: str, carried: Carried) -> None:
    """Raises Refused(nothing_to_do, undone) for an ended run of which nothing can be done again."""
    if carried.undone:
        message = "undo blocks of this run have been run: what it had done is undone; start it anew"
        raise Refused(RunError(kind="undone", message=message))
    if status in (ExecutionStatus.COMPLETE, ExecutionStatus.COMPENSATED, ExecutionStatus.CANCELLED):
        raise Refused(RunError(kind="nothing_to_do", message=f"the run is {status}: nothing has failed"))


def older(kept: int, begun: int) -> RunError:
    """Why a run that was ended by force cannot be taken up: the numbers of its next steps are taken, and what these did
    would pass for what is done now."""
    return RunError(
        kind="nothing_to_do",
        message=f"the run was ended by force, and what was kept of it knows its steps up to {kept}; those up to "
        f"{begun} have begun. See what they did (codeai executions steps), and start it anew",
    )
