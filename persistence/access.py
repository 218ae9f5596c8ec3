"""Roles of callers: what each permits and which others it inherits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Index, any_, delete, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, mapped_column

from codeai.persistence.base import Base, Rows, Words
from codeai.persistence.errors import InUse, NameTaken, VersionDiffers
from codeai.persistence.pages import Listed, Order, Page, Slice, read_page

CHANNEL = "codeai_roles"
"""Where is notified that a role was changed."""


class RoleRow(Base):
    __tablename__ = "roles"

    name: Mapped[str] = mapped_column(primary_key=True)
    permissions: Mapped[list[str]] = mapped_column(ARRAY(Words()))
    inherits: Mapped[list[str]] = mapped_column(ARRAY(Words()))
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("ix_roles_created_at_name", "created_at", "name"),)


@dataclass(frozen=True, slots=True)
class Role:
    """A role: permissions of its own (`resource:action`, `*` on either side) and the roles it inherits."""

    name: str
    permissions: tuple[str, ...]
    inherits: tuple[str, ...]
    version: int
    created_at: datetime
    updated_at: datetime


NEWEST_FIRST = Order((RoleRow.created_at, RoleRow.name))


@dataclass(frozen=True, slots=True)
class Roles:
    """What is written and asked about roles."""

    rows: Rows

    async def all(self) -> list[Role]:
        """Every role, by name."""
        return [_role(*row) for row in await self.rows.execute(_asked().order_by(RoleRow.name))]

    async def get(self, name: str) -> Role | None:
        found = (await self.rows.execute(_asked().where(RoleRow.name == name))).one_or_none()
        return None if found is None else _role(*found)

    async def page(self, page: Page, where: ColumnElement[bool] | None = None) -> Slice[Role]:
        """The roles, newest first; those of which `where` is true."""
        return await read_page(self.rows, LISTED.narrowed(where), page)

    async def locked(self) -> list[Role]:
        """Every role; nobody else changes one before this transaction ends, so that two changes, each without a
        cycle, do not make one."""
        await self.rows.execute(text("LOCK TABLE roles IN SHARE ROW EXCLUSIVE MODE"))
        return await self.all()

    async def create(self, name: str, permissions: tuple[str, ...], inherits: tuple[str, ...]) -> None:
        """A role with its version 1. Raises NameTaken."""
        row = insert(RoleRow).values(name=name, permissions=permissions, inherits=inherits)
        made = await self.rows.execute(row.on_conflict_do_nothing().returning(RoleRow.name))
        if made.first() is None:
            raise NameTaken("role", name)
        await self._tell(name)

    async def put(
        self, name: str, permissions: tuple[str, ...], inherits: tuple[str, ...], if_match: int | None = None
    ) -> None:
        """Stores it, new or in the place of what has its name. Raises VersionDiffers where `if_match` is not the
        version in force."""
        await self._match(name, if_match)
        row = insert(RoleRow).values(name=name, permissions=permissions, inherits=inherits)
        await self.rows.execute(
            row.on_conflict_do_update(
                index_elements=["name"],
                set_={
                    "permissions": row.excluded.permissions,
                    "inherits": row.excluded.inherits,
                    "version": RoleRow.version + 1,
                    "updated_at": func.now(),
                },
            )
        )
        await self._tell(name)

    async def delete(self, name: str, if_match: int | None = None) -> bool:
        """Removes it; False where there is none. Raises InUse where another inherits it, and VersionDiffers."""
        if await self.get(name) is None:
            return False
        await self._match(name, if_match)
        heir = (
            select(RoleRow.name)
            .where(literal(name) == any_(RoleRow.inherits))
            .order_by(RoleRow.name)
            .limit(1)
        )
        by = (await self.rows.execute(heir)).scalar_one_or_none()
        if by is not None:
            raise InUse("role", name, f"role {by!r}")
        await self.rows.execute(delete(RoleRow).where(RoleRow.name == name))
        await self._tell(name)
        return True

    async def _match(self, name: str, if_match: int | None) -> None:
        found = await self.get(name) if if_match is not None else None
        if if_match is not None and (found is None or found.version != if_match):
            raise VersionDiffers("role", name, found.version if found else 0)

    async def _tell(self, name: str) -> None:
        await self.rows.execute(select(func.pg_notify(CHANNEL, name)))


def _asked() -> Any:
    return select(
        RoleRow.name,
        RoleRow.permissions,
        RoleRow.inherits,
        RoleRow.version,
        RoleRow.created_at,
        RoleRow.updated_at,
    )


def _role(name: str, permissions: list[str], inherits: list[str], *others: Any) -> Role:
    return Role(name, tuple(permissions), tuple(inherits), *others)


LISTED = Listed(_asked(), NEWEST_FIRST, _role)
