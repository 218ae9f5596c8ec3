"""`codeai migrate`: brings the database to the tables of this version."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from codeai.cli.commands import new
from codeai.cli.exits import Stop
from codeai.cli.options import AsOutput
from codeai.cli.terminal import Output, put_items, put_line

if TYPE_CHECKING:
    from codeai.persistence.engine import Address
    from codeai.persistence.roles import Logins

app = new(
    "Brings the database to the tables of this version. Example: codeai migrate up", no_args_is_help=True
)
Config = Annotated[Path | None, typer.Option(help="a settings file")]
Answer = TypeVar("Answer")


@app.command()
def up(config: Config = None, output: AsOutput = Output.TABLE) -> None:
    """Applies what is missing, makes the database roles, and tries that the API's cannot write.

    Example: DATABASE_PASSWORD=… codeai migrate up
    """
    from codeai.persistence import migrate

    owner, logins = _database(config)
    warnings = _run(owner, migrate.up(owner, logins))
    if warnings:
        raise Stop("\n".join(warnings))
    put_line(f"{owner.name} is up to date", {"database": owner.name, "status": "up to date"}, output)


@app.command()
def down(config: Config = None, output: AsOutput = Output.TABLE) -> None:
    """Takes back the newest migration, with the data of its tables. Example: codeai migrate down"""
    from codeai.persistence import migrate

    owner, _ = _database(config)
    undone = _run(owner, migrate.down(owner))
    line = f"{undone} is taken back" if undone else "nothing is left to take back"
    put_line(line, {"taken_back": undone}, output)


@app.command()
def status(config: Config = None, output: AsOutput = Output.TABLE) -> None:
    """Lists the migrations and which the database has. Example: codeai migrate status"""
    from codeai.persistence import migrate

    owner, _ = _database(config)
    found = [
        {"revision": each.revision, "name": each.name, "applied": each.applied}
        for each in _run(owner, migrate.status(owner))
    ]
    put_items(found, ("revision", "name", "applied"), output)


def _database(config: Path | None) -> tuple[Address, Logins]:
    from codeai.persistence.engine import Address
    from codeai.persistence.roles import Login, Logins
    from codeai.settings import BadSettings, load

    try:
        of = load(os.environ, config).database
    except BadSettings as problem:
        raise Stop(str(problem)) from None
    owner = Address(of.host, of.port, of.name, of.user, of.password, of.sslmode)
    return owner, Logins(Login(of.worker_user, of.worker_password), Login(of.api_user, of.api_password))


def _run(owner: Address, work: Coroutine[Any, Any, Answer]) -> Answer:
    import asyncpg
    from sqlalchemy.exc import DBAPIError

    try:
        return asyncio.run(work)
    except DBAPIError as problem:
        raise Stop(f"Postgres refuses: {str(problem.orig).splitlines()[0].partition('>: ')[2]}") from None
    except asyncpg.PostgresError as problem:
        raise Stop(f"Postgres refuses: {problem}") from None
    except OSError:
        place = f"{owner.host}:{owner.port}"
        raise Stop(f"Postgres does not answer at {place}; see DATABASE_HOST and DATABASE_PORT") from None
