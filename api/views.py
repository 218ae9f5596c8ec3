"""Rows as the API shows them, and the bodies that only the API takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Generic, Self, TypeVar, cast

from pydantic import Field, TypeAdapter
from pydantic_core import from_json

from codeai.api.turns import joined
from codeai.persistence.approvals import Approval
from codeai.persistence.configs import Config
from codeai.persistence.deployments import Deployment
from codeai.persistence.events import Event
from codeai.persistence.executions import Execution
from codeai.persistence.logs import LogLine
from codeai.persistence.pages import Slice
from codeai.persistence.secrets import Secret
from codeai.persistence.steps import Step
from codeai.workflows.contracts.base import Contract
from codeai.workflows.contracts.event_types import LONGEST, SHAPE
from codeai.workflows.contracts.events import EventData, EventType
from codeai.workflows.contracts.executions import FailurePolicy, ParkTimeout
from codeai.workflows.contracts.shell import SeedBody, WorkspaceSeed

Row = TypeVar("Row")
Item = TypeVar("Item")


class View:
    """What is shown: a dataclass. It is made of what is known to fit, so nothing looks whether it does."""

    @classmethod
    def like(cls, row: object, **instead: Any) -> Self:
        """A view of what `row` says under the same names, but for what it is given `instead`."""
        return cls(**instead, **{name: getattr(row, name) for name in cls._names(*instead)})

    @classmethod
    def read(cls, data: object) -> Self:
        """Made of JSON data that somebody else has written. Raises ValidationError."""
        shown: Self = cls.adapter().validate_python(data)
        return shown

    def as_json(self) -> Any:
        """As JSON data."""
        return self.adapter().dump_python(self, mode="json")

    @classmethod
    @cache
    def adapter(cls) -> TypeAdapter[Any]:
        """What knows how it looks as JSON."""
        return TypeAdapter(cls)

    @classmethod
    @cache
    def _names(cls, *without: str) -> tuple[str, ...]:
        """The fields but these. Asked for every row, they take longer than the row does."""
        shape: Any = cls
        return tuple(field.name for field in fields(shape) if field.name not in without)


@dataclass
class Listing(View, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    total: int | None = None
    next_cursor: str | None = None

    @classmethod
    def of(cls, page: Slice[Row], shown: Callable[[Row], Item]) -> Self:
        """The page, whose rows are `shown` one by one when it becomes text: all at once may be millions of values."""
        items = cast(list[Item], map(shown, page.items))
        return cls(items=items, total=page.total, next_cursor=page.next_cursor)

    async def as_text(self) -> bytes:
        """As JSON text."""
        shell = self.adapter().dump_json(replace(self, items=[]))
        views: list[Any] = self.items
        return await joined(shell, "items", (one.adapter().dump_json(one) for one in views))


@dataclass
class DiagnosticView(View):
    """What is wrong with a program, at its place (from 1, in code points)."""

    code: str
    severity: str
    message: str
    line: int
    column: int
    end_line: int
    end_column: int
    hint: str | None = None


@dataclass
class ConfigView(View):
    """A config at one of its versions."""

    id: str
    name: str
    version: int
    content: str
    content_hash: str
    validation_errors: list[DiagnosticView]
    workspace: WorkspaceSeed | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Config) -> Self:
        errors = json.loads(row.validation_errors)
        workspace = row.workspace
        return cls.like(
            row,
            validation_errors=[DiagnosticView.read(one) for one in errors],
            workspace=WorkspaceSeed.model_validate_json(workspace) if workspace else None,
        )


@dataclass
class VersionView(ConfigView):
    """A version with its syntax tree."""

    ast: Any = None

    @classmethod
    def of(cls, row: Config) -> Self:
        shown = super().of(row)
        shown.ast = json.loads(row.ast) if row.ast else None
        return shown


@dataclass
class DeploymentView(View):
    """A deployment; `revision` is its ETag, `status` that of its newest execution."""

    id: str
    name: str
    config_id: str | None
    version: int | None
    inputs: dict[str, Any]
    failure_policy: str
    park_timeout: float | None
    concurrency: str
    concurrency_key: str | None
    status: str
    revision: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Deployment) -> Self:
        return cls.like(row, inputs=from_json(row.inputs))


@dataclass
class ExecutionView(View):
    """One run; command, output and exit code are of its last exec, or of the one that it failed by."""

    id: str
    workflow_id: str
    deployment_id: str | None
    config_id: str | None
    version: int | None
    content_hash: str | None
    status: str
    status_text: str | None
    inputs: dict[str, Any]
    result: Any
    error: dict[str, Any] | None
    undo_failed: list[Any]
    failure_policy: str
    triggered_by: str | None
    command: str | None
    output: str | None
    exit_code: int | None
    started_at: datetime
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Execution, *, inspected: bool) -> Self:
        """Who may not inspect sees the inputs' names only."""
        inputs = from_json(row.inputs)
        return cls.like(
            row,
            inputs=inputs if inspected else dict.fromkeys(inputs),
            result=_value(row.result),
            error=_value(row.error),
            undo_failed=_value(row.undo_failed) or [],
        )


@dataclass
class ResultView(View):
    """How a run ended. `completed_at` is that of its row, and not there in an answer that was waited for."""

    execution_id: str
    status: str
    result: Any = None
    error: dict[str, Any] | None = None
    undo_failed: list[Any] = field(default_factory=list)
    completed_at: datetime | None = None

    @classmethod
    def of(cls, row: Execution) -> Self:
        return cls(
            execution_id=row.id,
            status=row.status,
            result=_value(row.result),
            error=_value(row.error),
            undo_failed=_value(row.undo_failed) or [],
            completed_at=row.completed_at,
        )


@dataclass
class StepView(View):
    """One effect of a run, with its newest attempt."""

    id: str
    seq: int
    kind: str
    line: int
    attempt: int
    status: str
    command: str
    exit_code: int | None
    stdout: str | None
    stderr: str | None
    host: str | None
    started_at: datetime
    completed_at: datetime | None

    @classmethod
    def of(cls, row: Step) -> Self:
        return cls.like(row)


@dataclass
class LogView(View):
    """One piece of a run's log."""

    offset: int
    step_id: str | None
    attempt: int
    stream: str
    time: datetime
    text: str

    @classmethod
    def of(cls, row: LogLine) -> Self:
        return cls.like(row)


@dataclass
class EventView(View):
    """An event that was stored."""

    id: str
    type: str
    source: str
    timestamp: datetime
    data: dict[str, Any]
    metadata: dict[str, Any]

    @classmethod
    def of(cls, row: Event) -> Self:
        return cls.like(row, data=json.loads(row.data), metadata=json.loads(row.about))


@dataclass
class SecretView(View):
    """A secret without its value, which nobody is ever shown."""

    name: str
    mask: bool
    version: int
    key_id: str
    created_by: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, secret: Secret) -> Self:
        return cls.like(secret)


@dataclass
class StartedView(View):
    """A run or an event that was accepted."""

    id: str
    status: str = "queued"


@dataclass
class CommandView(View):
    """A command and what became of it: approved, rejected, paused, running; `accepted` where no worker was there to
    take it, and it waits for one."""

    id: str
    status: str
    step: int | None = None
    fibre: int | None = None


@dataclass
class ApprovalView(View):
    """A step that waits for a person; `role` is who may decide, anybody with the permission where there is none."""

    execution_id: str
    deployment_id: str | None
    step: int
    line: int
    text: str
    role: str | None
    deadline: datetime | None
    asked_at: datetime
    allow_self: bool

    @classmethod
    def of(cls, row: Approval) -> Self:
        return cls.like(row)


@dataclass
class StoppedView(View):
    """A deployment whose runs were told to stop."""

    id: str
    cancelled: list[str]


@dataclass
class ChangedView(View):
    """A change that holds, where its row cannot be shown: it was deleted since, or the database went away."""

    id: str


@dataclass
class OperationView(View):
    """A change that was accepted: `resource` is where its outcome is, `problem` why there is none."""

    id: str
    status: str
    resource: str | None = None
    problem: dict[str, Any] | None = None


class ProgramBody(Contract):
    """A program to look at."""

    content: str


@dataclass(kw_only=True)
class TraceView(View):
    """A window of what a run did. `complete` says whether its end is known, `cut` why not all of it is; `runs` are
    the workflow runs that it continued as new in; `view` is what could be seen behind the entry that was asked for."""

    execution_id: str
    status: str
    complete: bool
    total: Annotated[int, Field(description="entries that are known")]
    items: list[dict[str, Any]]
    cut: str | None = None
    runs: list[int]
    view: dict[str, Any] | None = None


class PlanBody(Contract):
    """Inputs of a plan; those that are missing are shown as unknown."""

    inputs: dict[str, Any] = Field(default_factory=dict)


@dataclass
class PlanView(View):
    """What a run would do. `entries` are in order, each with its `kind`; `needs` are permissions, secrets, queues,
    configs and approvals; `missing_inputs` those that a run still needs; `undo` what an error at the end undoes, and
    whether every way `fails`; `cut` why the plan is not complete."""

    missing_inputs: list[str]
    entries: list[dict[str, Any]]
    fails: bool
    undo: list[dict[str, Any]]
    needs: dict[str, Any]
    cut: str | None


@dataclass
class Examination(View):
    """What is wrong with a program, and what it wants to be given."""

    valid: bool
    diagnostics: list[DiagnosticView]
    params: list[dict[str, Any]]


@dataclass
class Layout(View):
    """A program in its canonical layout."""

    content: str


class EventBody(Contract):
    """An event to be published."""

    type: EventType = Field(json_schema_extra={"pattern": f"^{SHAPE}$", "maxLength": LONGEST})
    data: EventData = Field(default_factory=dict)


class ExecuteBody(Contract):
    """How a deployment is run."""

    inputs: dict[str, Any] = Field(default_factory=dict)
    failure_policy: FailurePolicy | None = None
    park_timeout: ParkTimeout | None = Field(
        default=None, description="seconds that it may be parked; the deployment's, else 7 days"
    )
    wait: bool = Field(default=False, description="answer with the result if it is there within 55 s")


class RunBody(ExecuteBody):
    """A run without a deployment: of a program's text or of a config."""

    program: str | None = None
    config: str | None = Field(default=None, max_length=255, description="id or name")
    version: int | None = Field(default=None, ge=1, le=2_147_483_647)
    workspace: SeedBody | None = None


def _value(text: str | None) -> Any:
    return None if text is None else from_json(text)
