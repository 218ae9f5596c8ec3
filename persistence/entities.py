"""What queries may ask about (★): entities with their public columns, and which of these an UPDATE may set.

A column that is not named here does not exist for a query: sealed secrets, checkpoints' texts, what steps were given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ARRAY, Boolean, ColumnElement, Float, FromClause, Integer, Uuid, and_, func, join
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import InstrumentedAttribute

from codeai.dsl.builtins_time import LONGEST
from codeai.dsl.query.check import Field, Shape
from codeai.dsl.query.operators import Type
from codeai.persistence import approvals
from codeai.persistence.access import RoleRow
from codeai.persistence.audit import AuditRow
from codeai.persistence.base import Base
from codeai.persistence.blobs import BlobRow
from codeai.persistence.checkpoints import CheckpointRow
from codeai.persistence.configs import ConfigRow, ConfigVersionRow
from codeai.persistence.deployments import DeploymentRow, status_of_newest
from codeai.persistence.event_waits import EventWaitRow
from codeai.persistence.events import EventRow
from codeai.persistence.executions import ExecutionRow
from codeai.persistence.hosts import HostRow
from codeai.persistence.logs import LogRow
from codeai.persistence.secrets import SecretRow
from codeai.persistence.steps import StepRow
from codeai.persistence.workspaces import WorkspaceRow


@dataclass(frozen=True, slots=True)
class Column:
    """A public column: how queries see it, where it is read from, and the permission that it needs besides."""

    field: Field
    read: ColumnElement[Any]
    needs: str | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    """Rows that queries are about. Reading them needs `<resource>:read`, an UPDATE `<resource>:write`.

    `keys` are the columns that make a row one, in the order in which rows come unless asked otherwise; an UPDATE sets
    `stamps` along.
    """

    name: str
    resource: str
    about: str
    table: type[Base]
    source: FromClause
    columns: Mapping[str, Column]
    keys: tuple[str, ...]
    newest_first: bool = True
    where: ColumnElement[bool] | None = None
    stamps: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> Shape:
        """The entity as the language sees it."""
        return Shape(self.name, {name: one.field for name, one in self.columns.items()})


def _type(column: ColumnElement[Any]) -> Type:
    kind = getattr(column.type, "impl", column.type)
    for wanted, type in (
        (Uuid, Type.UUID),
        (Integer, Type.INTEGER),
        (Float, Type.NUMBER),
        (Boolean, Type.BOOLEAN),
        (TIMESTAMP, Type.TIME),
        (ARRAY, Type.LIST),
    ):
        if isinstance(kind, wanted):
            return type
    return Type.TEXT


def _columns(table: type[Base], names: str) -> dict[str, Column]:
    found: dict[str, Column] = {}
    for one in names.split():
        name, _, attribute = one.partition("=")
        read: InstrumentedAttribute[Any] = getattr(table, attribute or name)
        found[name] = Column(Field(name, _type(read.expression)), read.expression)
    return found


def _entity(
    table: type[Base], resource: str, about: str, names: str, keys: str, *, newest_first: bool = True
) -> Entity:
    columns = _columns(table, names)
    return Entity(
        table.__tablename__,
        resource,
        about,
        table,
        table.__table__,
        columns,
        tuple(keys.split()),
        newest_first,
    )


def _with(entity: Entity, *columns: Column) -> Entity:
    """The entity with these columns, new or in the place of those of their names."""
    return replace(entity, columns={**entity.columns, **{one.field.name: one for one in columns}})


def _writable(table: type[Base], name: str, **more: Any) -> Column:
    read = getattr(table, name).expression
    return Column(Field(name, _type(read), writable=True, **more), read)


_CONFIGS = _entity(
    ConfigRow, "configs", "named programs", "id name version created_at updated_at", "created_at id"
)
_VERSIONS = _entity(
    ConfigVersionRow,
    "configs",
    "every save of a config",
    "config_id number name content_hash validation_errors workspace created_by created_at",
    "config_id number",
)
_DEPLOYMENTS = replace(
    _with(
        _entity(
            DeploymentRow,
            "deployments",
            "what is run, with the status of its newest execution",
            "id name config_id version inputs failure_policy park_timeout concurrency concurrency_key created_by "
            "revision created_at updated_at",
            "created_at id",
        ),
        Column(Field("status", Type.TEXT), status_of_newest()),
        _writable(DeploymentRow, "failure_policy", choices=("undo", "park", "fail")),
        _writable(DeploymentRow, "park_timeout", optional=True, above=0, most=LONGEST),
        _writable(DeploymentRow, "concurrency", choices=("queue", "replace", "reject", "parallel")),
        _writable(DeploymentRow, "concurrency_key", optional=True, longest=255),
    ),
    stamps={"revision": DeploymentRow.revision + 1, "updated_at": func.now()},
)
_EXECUTIONS = _with(
    _entity(
        ExecutionRow,
        "executions",
        "runs",
        "id workflow_id deployment_id config_id version content_hash status status_text inputs result error "
        "undo_failed failure_policy triggered_by host started_at completed_at created_at updated_at",
        "started_at id",
    ),
    Column(Field("inputs", Type.TEXT), ExecutionRow.inputs.expression, needs="executions:inspect"),
)
_STEPS = _entity(
    StepRow,
    "executions",
    "the effects of runs, in the order of their starts",
    "id execution_id seq kind line attempt status command exit_code stdout stderr host started_at completed_at",
    "execution_id seq id",
    newest_first=False,
)
_LOGS = _entity(
    LogRow,
    "executions",
    "what runs printed and logged",
    "execution_id offset step_id attempt stream time text",
    "execution_id offset",
    newest_first=False,
)
_APPROVALS = Entity(
    "approvals",
    "executions",
    "what waits for a person (steps of runs under way)",
    StepRow,
    join(StepRow, ExecutionRow, ExecutionRow.id == StepRow.execution_id),
    _columns(StepRow, "execution_id step=seq line text=command asked_at=started_at id")
    | _columns(ExecutionRow, "deployment_id"),
    ("asked_at", "id"),
    where=and_(*approvals.OPEN),
)

ENTITIES: Mapping[str, Entity] = {
    entity.name: entity
    for entity in (
        _CONFIGS,
        _VERSIONS,
        _DEPLOYMENTS,
        _EXECUTIONS,
        _STEPS,
        _LOGS,
        _APPROVALS,
        _entity(
            CheckpointRow,
            "executions",
            "when runs were kept on their way",
            "execution_id run created_at",
            "execution_id run",
            newest_first=False,
        ),
        _entity(
            WorkspaceRow,
            "executions",
            "where runs have their files",
            "execution_id host created_at removed_at",
            "created_at execution_id host",
        ),
        _entity(
            EventWaitRow,
            "executions",
            "steps that wait for an event",
            "execution_id step type since created_at",
            "created_at execution_id step",
        ),
        _entity(
            HostRow,
            "executions",
            "machines that run commands",
            "id name labels slots slots_taken first_seen last_seen",
            "last_seen id",
        ),
        _entity(
            EventRow,
            "events",
            "what happened",
            "id type source timestamp data metadata=about stored_at",
            "timestamp id",
        ),
        _entity(BlobRow, "configs", "stored texts by their hash", "hash created_at", "created_at hash"),
        _entity(
            SecretRow,
            "secrets",
            "secrets, never their values",
            "name key_id mask version created_by created_at updated_at",
            "created_at name",
        ),
        _entity(
            RoleRow,
            "roles",
            "what roles permit",
            "name permissions inherits version created_at updated_at",
            "name",
            newest_first=False,
        ),
        _entity(
            AuditRow,
            "audit",
            "who changed what",
            "seq id at actor via action entity request_id workflow_id details previous hash",
            "seq",
        ),
    )
}
