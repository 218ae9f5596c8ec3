"""Why a change was refused, as values that the API turns into problems."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from codeai.persistence.base import Rows


class Refused(Exception):
    """The rows do not allow this change; nothing was written."""


class NameTaken(Refused):
    """Another one has the name already."""

    def __init__(self, entity: str, name: str) -> None:
        super().__init__(f"there is a {entity} named {name!r} already; choose another name")
        self.entity, self.name = entity, name


class NoSuch(Refused):
    """What the change refers to is not there."""

    def __init__(self, entity: str, id: str) -> None:
        super().__init__(f"there is no {entity} {id!r}")
        self.entity, self.id = entity, id


class InUse(Refused):
    """Something else still refers to it."""

    def __init__(self, entity: str, id: str, by: str) -> None:
        super().__init__(f"{entity} {id!r} is used by {by}; change or delete that first")
        self.entity, self.id, self.by = entity, id, by


class VersionDiffers(Refused):
    """The caller saw another version than the one in force (0: there is none)."""

    def __init__(self, entity: str, id: str, version: int) -> None:
        now = f"{entity} {id!r} has changed since: its version is {version} now; read it again"
        super().__init__(now if version else f"there is no {entity} {id!r}, of which it is to be a version")
        self.entity, self.id, self.version = entity, id, version


class InheritsItself(Refused):
    """A role would inherit itself, over others."""

    def __init__(self, way: Sequence[str]) -> None:
        super().__init__(f"a role cannot inherit itself: {' -> '.join(way)}")
        self.way = tuple(way)


class NotHeld(Refused):
    """Somebody would grant what he may not himself."""

    def __init__(self, permissions: Sequence[str]) -> None:
        super().__init__(
            f"nobody can grant what he does not hold: {', '.join(permissions)}; ask somebody who holds it"
        )
        self.permissions = tuple(permissions)


class NoAdmin(Refused):
    """Nobody would be left who may do everything."""

    def __init__(self, name: str) -> None:
        super().__init__(f"role {name!r} cannot lose *:*: nobody would be left who may do everything")
        self.name = name


@asynccontextmanager
async def refused(reasons: Mapping[str, Refused], rows: Rows) -> AsyncIterator[None]:
    """Turns the violation of a named constraint into its reason; the transaction stays usable."""
    assert isinstance(rows, AsyncSession)  # nothing else can write
    try:
        async with rows.begin_nested():
            yield
    except IntegrityError as problem:
        constraint = getattr(getattr(problem.orig, "__cause__", None), "constraint_name", None)
        raise reasons.get(str(constraint), problem) from problem
