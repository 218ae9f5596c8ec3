"""Roles of callers: what each permits and which others it inherits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from codeai.persistence.base import Base, Words


class RoleRow(Base):
    __tablename__ = "roles"

    name: Mapped[str] = mapped_column(primary_key=True)
    permissions: Mapped[list[str]] = mapped_column(ARRAY(Words()))
    inherits: Mapped[list[str]] = mapped_column(ARRAY(Words()))
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True, slots=True)
class Role:
    """A role: permissions of its own (`resource:action`, `*` on either side) and the roles it inherits."""

    name: str
    permissions: tuple[str, ...]
    inherits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Roles:
    """What is asked about roles."""

    rows: AsyncSession

    async def all(self) -> list[Role]:
        """Every role, by name."""
        asked = select(RoleRow.name, RoleRow.permissions, RoleRow.inherits).order_by(RoleRow.name)
        found = await self.rows.execute(asked)
        return [Role(row.name, tuple(row.permissions), tuple(row.inherits)) for row in found]
