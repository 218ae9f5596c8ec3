"""Configs: named programs. Every save is a new version, which never changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, Index, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from codeai.persistence.base import Base, Rows, is_uuid, key
from codeai.persistence.blobs import BlobRow, Blobs
from codeai.persistence.errors import InUse, NameTaken, VersionDiffers, refused
from codeai.persistence.pages import Listed, Order, Page, Slice, read_page


class ConfigRow(Base):
    __tablename__ = "configs"

    id: Mapped[str] = mapped_column(key(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("ix_configs_created_at_id", "created_at", "id"),)


class ConfigVersionRow(Base):
    __tablename__ = "config_versions"

    config_id: Mapped[str] = mapped_column(
        key(), ForeignKey("configs.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    content_hash: Mapped[str] = mapped_column(ForeignKey("blobs.hash"))
    ast: Mapped[str | None]
    validation_errors: Mapped[str]
    workspace: Mapped[str | None]
    created_by: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True, slots=True)
class NewConfig:
    """What is saved. `ast`, `validation_errors` and `workspace` are canonical JSON; an invalid program has
    validation errors (`[]` means that it can be run)."""

    name: str
    content: str
    ast: str | None = None
    validation_errors: str = "[]"
    workspace: str | None = None
    created_by: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """A config at one version. `created_at` is the config's, `updated_at` that version's; `ast` is read only
    where one version is asked for, because it may have megabytes."""

    id: str
    name: str
    version: int
    content: str
    content_hash: str
    validation_errors: str
    workspace: str | None
    created_by: str | None
    created_at: datetime
    updated_at: datetime
    ast: str | None = None


MOST_VERSIONS = 2**31 - 1
"""A program may ask for any number; Postgres refuses one that its column cannot hold."""
NEWEST_FIRST = Order((ConfigRow.created_at, ConfigRow.id))
NEWEST_VERSION_FIRST = Order((ConfigVersionRow.number,))


@dataclass(frozen=True, slots=True)
class Configs:
    """What is written and asked about configs."""

    rows: Rows

    async def create(self, id: str, new: NewConfig) -> None:
        """A config with its version 1. Again with the same id: changes nothing. Raises NameTaken."""
        async with refused({"uq_configs_name": NameTaken("config", new.name)}, self.rows):
            made = await self.rows.execute(
                insert(ConfigRow)
                .values(id=id, name=new.name, version=1)
                .on_conflict_do_nothing(index_elements=["id"])
                .returning(ConfigRow.id)
            )
        if made.first() is not None:
            await self._add_version(id, 1, new)

    async def update(self, id: str, new: NewConfig, if_match: int | None = None) -> int | None:
        """Saves the next version and answers its number; None where there is no such config.

        Raises VersionDiffers where `if_match` is not the version in force, and NameTaken.
        """
        asked = select(ConfigRow.version).where(ConfigRow.id == id).with_for_update()
        version = (await self.rows.execute(asked)).scalar_one_or_none()
        if version is None:
            return None
        if if_match is not None and if_match != version:
            raise VersionDiffers("config", id, version)
        async with refused({"uq_configs_name": NameTaken("config", new.name)}, self.rows):
            await self.rows.execute(
                update(ConfigRow)
                .where(ConfigRow.id == id)
                .values(name=new.name, version=version + 1, updated_at=func.now())
            )
        await self._add_version(id, version + 1, new)
        return version + 1

    async def delete(self, id: str, if_match: int | None = None) -> bool:
        """Removes the config and its versions (what ran keeps its text by hash); False where there is none.

        Raises VersionDiffers, and InUse where a deployment names it.
        """
        asked = select(ConfigRow.version).where(ConfigRow.id == id).with_for_update()
        version = (await self.rows.execute(asked)).scalar_one_or_none()
        if version is None:
            return False
        if if_match is not None and if_match != version:
            raise VersionDiffers("config", id, version)
        async with refused({"fk_deployments_config_id": InUse("config", id, "a deployment")}, self.rows):
            await self.rows.execute(delete(ConfigRow).where(ConfigRow.id == id))
        return True

    async def get(self, id_or_name: str) -> Config | None:
        """The config at its newest version; an id is looked for before a name."""
        named = {"id": id_or_name if is_uuid(id_or_name) else None, "name": id_or_name}
        found = (await self.rows.execute(ONE, named)).all()
        return next((_config(*row) for row in sorted(found, key=lambda row: row.id != id_or_name)), None)

    async def version(self, id: str, number: int | None = None) -> Config | None:
        """The config as it was saved as `number` (None: the newest), with its syntax tree."""
        if not is_uuid(id) or (number is not None and number > MOST_VERSIONS):
            return None
        wanted = ConfigRow.version if number is None else number
        asked = _read().add_columns(ConfigVersionRow.ast)
        found = await self.rows.execute(asked.where(ConfigRow.id == id, ConfigVersionRow.number == wanted))
        row = found.one_or_none()
        return None if row is None else _config(*row)

    async def versions(self, id: str, page: Page, where: ColumnElement[bool] | None = None) -> Slice[Config]:
        """The versions of one config, newest first; those of which `where` is true."""
        if not is_uuid(id):
            return Slice(())
        return await read_page(self.rows, VERSIONS.narrowed(where), page, id=id)

    async def page(self, page: Page, where: ColumnElement[bool] | None = None) -> Slice[Config]:
        """The configs at their newest versions, newest config first; those of which `where` is true."""
        return await read_page(self.rows, LISTED.narrowed(where), page)

    async def _add_version(self, id: str, number: int, new: NewConfig) -> None:
        await self.rows.execute(
            insert(ConfigVersionRow).values(
                config_id=id,
                number=number,
                name=new.name,
                content_hash=await Blobs(self.rows).put(new.content),
                ast=new.ast,
                validation_errors=new.validation_errors,
                workspace=new.workspace,
                created_by=new.created_by,
            )
        )


def _read() -> Any:
    saved = ConfigVersionRow
    return (
        select(
            ConfigRow.id,
            saved.name,
            saved.number,
            BlobRow.content,
            saved.content_hash,
            saved.validation_errors,
            saved.workspace,
            saved.created_by,
            ConfigRow.created_at,
            saved.created_at.label("updated_at"),
        )
        .join(saved, saved.config_id == ConfigRow.id)
        .join(BlobRow, BlobRow.hash == saved.content_hash)
    )


def _config(id: str, name: str, version: int, content: bytes, *others: Any) -> Config:
    return Config(id, name, version, content.decode("utf-8"), *others)


NEWEST = _read().where(ConfigVersionRow.number == ConfigRow.version)
ONE = NEWEST.where((ConfigRow.id == bindparam("id", None)) | (ConfigRow.name == bindparam("name", None)))
LISTED = Listed(NEWEST, NEWEST_FIRST, _config)
VERSIONS = Listed(_read().where(ConfigRow.id == bindparam("id", None)), NEWEST_VERSION_FIRST, _config)
