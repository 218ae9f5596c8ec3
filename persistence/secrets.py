"""Secrets: sealed texts by name. The API reads everything of them but these texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Index, delete, func, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from codeai.persistence.base import Base, Rows, columns
from codeai.persistence.errors import NameTaken, VersionDiffers
from codeai.persistence.pages import Listed, Order, Page, Slice, read_page


class SecretRow(Base):
    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(primary_key=True)
    sealed: Mapped[str]
    key_id: Mapped[str]
    mask: Mapped[bool] = mapped_column(server_default=true())
    version: Mapped[int]
    created_by: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("ix_secrets_created_at_name", "created_at", "name"),)


@dataclass(frozen=True, slots=True)
class NewSecret:
    """What is stored: the sealed form, and which key opens it."""

    name: str
    sealed: str
    key_id: str
    mask: bool = True
    created_by: str | None = None


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as people see it. `mask`: its value is taken out of outputs; `key_id`: which key opens it."""

    name: str
    mask: bool
    version: int
    key_id: str
    created_by: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret as whoever opens it needs it."""

    name: str
    sealed: str
    key_id: str
    mask: bool


NEWEST_FIRST = Order((SecretRow.created_at, SecretRow.name))


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is written and asked about secrets."""

    rows: Rows

    async def create(self, new: NewSecret) -> None:
        """A secret with its version 1. Raises NameTaken."""
        row = insert(SecretRow).values(**_values(new), version=1)
        made = await self.rows.execute(row.on_conflict_do_nothing().returning(SecretRow.name))
        if made.first() is None:
            raise NameTaken("secret", new.name)

    async def put(self, new: NewSecret, if_match: int | None = None) -> None:
        """Stores it, new or in the place of what has its name. Raises VersionDiffers where `if_match` is not the
        version in force."""
        version = await self._version(new.name) if if_match is not None else None
        if if_match is not None and if_match != version:
            raise VersionDiffers("secret", new.name, version or 0)
        row = insert(SecretRow).values(**_values(new), version=1)
        await self.rows.execute(
            row.on_conflict_do_update(
                index_elements=["name"],
                set_={
                    "sealed": row.excluded.sealed,
                    "key_id": row.excluded.key_id,
                    "mask": row.excluded.mask,
                    "version": SecretRow.version + 1,
                    "updated_at": func.now(),
                },
            )
        )

    async def delete(self, name: str, if_match: int | None = None) -> bool:
        """Removes it; False where there is none. Raises VersionDiffers."""
        version = await self._version(name) if if_match is not None else None
        if version is not None and if_match != version:
            raise VersionDiffers("secret", name, version)
        gone = delete(SecretRow).where(_named(name)).returning(SecretRow.name)
        return (await self.rows.execute(gone)).first() is not None

    async def get(self, name: str) -> Secret | None:
        asked = select(*columns(Secret, SecretRow)).where(_named(name))
        found = (await self.rows.execute(asked)).one_or_none()
        return None if found is None else Secret(*found)

    async def page(self, page: Page, where: ColumnElement[bool] | None = None) -> Slice[Secret]:
        """The secrets, newest first; those of which `where` is true."""
        return await read_page(self.rows, LISTED.narrowed(where), page)

    async def sealed(self, names: Iterable[str]) -> dict[str, SealedSecret]:
        """Those of `names` that there are. Not for the API, whose role may not ask this."""
        asked = select(*columns(SealedSecret, SecretRow)).where(SecretRow.name.in_(set(names)))
        found = (SealedSecret(*row) for row in await self.rows.execute(asked))
        return {secret.name: secret for secret in found}

    async def _version(self, name: str) -> int | None:
        """The version in force, which nobody else changes before this transaction ends."""
        asked = select(SecretRow.version).where(_named(name)).with_for_update()
        return (await self.rows.execute(asked)).scalar_one_or_none()


def _named(name: str) -> ColumnElement[bool]:
    return SecretRow.name == name


def _values(new: NewSecret) -> dict[str, object]:
    return {
        "name": new.name,
        "sealed": new.sealed,
        "key_id": new.key_id,
        "mask": new.mask,
        "created_by": new.created_by,
    }


LISTED = Listed(select(*columns(Secret, SecretRow)), NEWEST_FIRST, Secret)
