"""Deployments: what is run, with which inputs. Their status is that of their newest execution."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    ScalarSelect,
    Select,
    bindparam,
    case,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from codeai.persistence.base import Base, Rows, columns, is_uuid, key
from codeai.persistence.errors import NameTaken, NoSuch, VersionDiffers, refused
from codeai.persistence.executions import ExecutionRow
from codeai.persistence.pages import Listed, Order, Page, Slice, read_page

STATUS = {
    None: "pending",
    "queued": "pending",
    "running": "running",
    "waiting": "running",
    "paused": "running",
    "undoing": "running",
    "parked": "parked",
    "cancelled": "stopped",
    "rejected": "stopped",
    "failed": "failed",
    "complete": "complete",
    "compensated": "complete",
}
"""The status of a deployment from its newest execution's (★; None: it never ran)."""


class DeploymentRow(Base):
    __tablename__ = "deployments"

    id: Mapped[str] = mapped_column(key(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    config_id: Mapped[str | None] = mapped_column(key(), ForeignKey("configs.id"), index=True)
    version: Mapped[int | None]
    inputs: Mapped[str]
    failure_policy: Mapped[str]
    park_timeout: Mapped[float | None]
    concurrency: Mapped[str]
    concurrency_key: Mapped[str | None]
    created_by: Mapped[str | None]
    revision: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("ix_deployments_created_at_id", "created_at", "id"),)


@dataclass(frozen=True, slots=True)
class NewDeployment:
    """What is saved. `inputs` is canonical JSON, `park_timeout` seconds, `version` the config's, if fixed."""

    name: str
    config_id: str | None = None
    version: int | None = None
    inputs: str = "{}"
    failure_policy: str = "undo"
    park_timeout: float | None = None
    concurrency: str = "queue"
    concurrency_key: str | None = None
    created_by: str | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment as it is read. `revision` counts its saves: what an ETag shows and If-Match means."""

    id: str
    name: str
    config_id: str | None
    version: int | None
    inputs: str
    failure_policy: str
    park_timeout: float | None
    concurrency: str
    concurrency_key: str | None
    created_by: str | None
    revision: int
    created_at: datetime
    updated_at: datetime
    status: str


NEWEST_FIRST = Order((DeploymentRow.created_at, DeploymentRow.id))


@dataclass(frozen=True, slots=True)
class Deployments:
    """What is written and asked about deployments."""

    rows: Rows

    async def create(self, id: str, new: NewDeployment) -> None:
        """Again with the same id: changes nothing. Raises NameTaken, and NoSuch for an unknown config."""
        async with refused(_reasons(new), self.rows):
            await self.rows.execute(
                insert(DeploymentRow)
                .values(_values(new) | {"id": id, "revision": 1})
                .on_conflict_do_nothing(index_elements=["id"])
            )

    async def update(self, id: str, new: NewDeployment, if_match: int | None = None) -> int | None:
        """Saves it and answers the new revision; None where there is no such deployment.

        Raises VersionDiffers where `if_match` is not the revision in force, NameTaken and NoSuch.
        """
        revision = await self._held(id, if_match)
        if revision is None:
            return None
        values = _values(new) | {"revision": revision + 1, "updated_at": func.now()}
        values.pop("created_by")
        async with refused(_reasons(new), self.rows):
            await self.rows.execute(update(DeploymentRow).where(DeploymentRow.id == id).values(values))
        return revision + 1

    async def delete(self, id: str, if_match: int | None = None) -> bool:
        """Removes it (its executions stay); False where there is none. Raises VersionDiffers."""
        if await self._held(id, if_match) is None:
            return False
        await self.rows.execute(delete(DeploymentRow).where(DeploymentRow.id == id))
        return True

    async def get(self, id_or_name: str) -> Deployment | None:
        """One deployment; an id is looked for before a name."""
        named = {"id": id_or_name if is_uuid(id_or_name) else None, "name": id_or_name}
        found = (await self.rows.execute(ONE, named)).all()
        return next((_deployment(*row) for row in sorted(found, key=lambda row: row.id != id_or_name)), None)

    async def page(self, page: Page, where: ColumnElement[bool] | None = None) -> Slice[Deployment]:
        """The deployments, newest first; those of which `where` is true."""
        return await read_page(self.rows, LISTED.narrowed(where), page)

    async def _held(self, id: str, if_match: int | None) -> int | None:
        asked = select(DeploymentRow.revision).where(DeploymentRow.id == id).with_for_update()
        revision = (await self.rows.execute(asked)).scalar_one_or_none()
        if revision is not None and if_match is not None and if_match != revision:
            raise VersionDiffers("deployment", id, revision)
        return revision


def lane_of(deployment: Deployment) -> str:
    """The concurrency key under which it runs: its own id where it shares none."""
    return deployment.concurrency_key or deployment.id


def _values(new: NewDeployment) -> dict[str, Any]:
    return {field.name: getattr(new, field.name) for field in fields(new)}


def _reasons(new: NewDeployment) -> dict[str, NameTaken | NoSuch]:
    return {
        "uq_deployments_name": NameTaken("deployment", new.name),
        "fk_deployments_config_id": NoSuch("config", new.config_id or ""),
    }


def status_of_newest() -> ColumnElement[str]:
    """The status of a deployment, as an expression beside its row."""
    return case(
        *((_newest() == newest, status) for newest, status in STATUS.items() if newest is not None),
        else_=STATUS[None],
    )


def _newest() -> ScalarSelect[str]:
    return (
        select(ExecutionRow.status)
        .where(ExecutionRow.deployment_id == DeploymentRow.id)
        .order_by(ExecutionRow.started_at.desc(), ExecutionRow.id.desc())
        .limit(1)
        .scalar_subquery()
    )


def _read() -> Select[Any]:
    return select(*columns(Deployment, DeploymentRow, status=_newest()))


def _deployment(*row: Any) -> Deployment:
    *own, newest = row
    return Deployment(*(*own, STATUS[newest]))


READ = _read()
ONE = READ.where(
    (DeploymentRow.id == bindparam("id", None)) | (DeploymentRow.name == bindparam("name", None))
)
LISTED = Listed(READ, NEWEST_FIRST, _deployment)
