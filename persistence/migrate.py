"""Brings a database to the tables of this version, or back: what `codeai migrate` and `codeai up` do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codeai.persistence import probe, roles
from codeai.persistence.engine import Address, Database

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

MIGRATIONS = Path(__file__).resolve().parent / "migrations"
LOCK = 0x636F6461
"""The advisory lock under which one process migrates and the others wait."""


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration and whether the database has it."""

    revision: str
    name: str
    applied: bool


async def up(owner: Address, logins: roles.Logins) -> list[str]:
    """Applies what is missing and makes the database roles anew, all or nothing. Answers what the reading
    role can do and must not: a line each with what a superuser has to run."""
    await _run(owner, _upgrade, logins)
    if logins.api.password is None:
        return [
            f"{logins.api.user} was not tried out: its password is not set (CODEAI_DATABASE_API_PASSWORD)"
        ]
    return await probe.allowed(owner.as_user(logins.api.user, logins.api.password))


async def down(owner: Address) -> str | None:
    """Takes back the newest migration, with the data of its tables, and answers its name; None: none is left."""
    applied = [migration for migration in await status(owner) if migration.applied]
    if not applied:
        return None
    await _run(owner, _downgrade)
    return applied[-1].name


async def status(owner: Address) -> list[Migration]:
    """Every migration, oldest first."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    database = Database.connect(owner, label="codeai migrate")
    try:
        async with database.engine.connect() as connection:
            at = await connection.run_sync(
                lambda plain: MigrationContext.configure(plain).get_current_revision()
            )
    finally:
        await database.close()
    scripts = reversed(list(ScriptDirectory(str(MIGRATIONS)).walk_revisions()))
    return [
        Migration(
            script.revision,
            Path(script.path).stem.partition("_")[2],
            at is not None and script.revision <= at,
        )
        for script in scripts
    ]


def _upgrade(config: Config) -> None:
    from alembic import command

    command.upgrade(config, "head")


def _downgrade(config: Config) -> None:
    from alembic import command

    command.downgrade(config, "-1")


async def _run(owner: Address, work: Callable[[Config], None], logins: roles.Logins | None = None) -> None:
    from alembic.config import Config

    def migrate(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
        work(config)

    database = Database.connect(owner, label="codeai migrate")
    try:
        async with database.engine.begin() as connection:
            await connection.run_sync(migrate)
            if logins is not None:
                await roles.apply(connection, logins)
    finally:
        await database.close()
