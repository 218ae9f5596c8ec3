"""The database roles: who owns, who writes, who may only read, and what each is granted."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

OWNER, WORKER, API = "codeai_owner", "codeai_worker", "codeai_api"
API_CONNECTIONS = 60
LATER = "ALTER DEFAULT PRIVILEGES IN SCHEMA public"

HIDDEN = {"secrets": "sealed", "webhooks": "secret"}
"""Columns that `codeai_api` never reads (★): table -> how their names begin."""
APPEND_ONLY = ("audit_log",)
"""Tables (★) whose rows nobody but the owner changes or removes."""
BY_COLUMN = ("REVOKE SELECT ON {table} FROM {api}", "GRANT SELECT ({columns}) ON {table} TO {api}")
WRITING_FUNCTIONS = (
    "^(lo_.*|lowrite|loread|pg_(try_)?advisory_.*|pg_notify|pg_logical_emit_message|pg_export_snapshot)$"
)
"""Functions of Postgres with which a role that may only SELECT still writes, locks or tells others."""
WORKERS_FUNCTIONS = ("pg_advisory_xact_lock(bigint)", "pg_notify(text,text)")
"""Those (★) that workers need: the lock of the audit chain, and telling streams and caches."""


@dataclass(frozen=True, slots=True)
class Login:
    """A role and its password. Without one the role keeps what it has."""

    user: str
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Logins:
    """The roles that processes log in as; each process is given only its own."""

    worker: Login = Login(WORKER)
    api: Login = Login(API)


async def apply(connection: AsyncConnection, logins: Logins) -> None:
    """Makes the roles and grants each what it needs, and nothing else; again with the same outcome."""
    worker, api = quoted(logins.worker.user), quoted(logins.api.user)
    database = quoted((await connection.execute(text("SELECT current_database()"))).scalar_one())
    await _login(connection, logins.worker, "NOINHERIT")
    await _login(connection, logins.api, f"NOINHERIT CONNECTION LIMIT {API_CONNECTIONS}")
    statements = [
        # A role may change its own settings and password, and nobody can forbid it: both are made anew here.
        f"ALTER ROLE {api} RESET ALL",
        f"ALTER ROLE {api} IN DATABASE {database} RESET ALL",
        f"ALTER ROLE {api} SET default_transaction_read_only = on",
        f"ALTER ROLE {api} SET statement_timeout = '10s'",
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {database} TO {worker}, {api}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA public TO {worker}, {api}",
        "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC",
        "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {worker}, {api}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {worker}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {api}",
        f"{LATER} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {worker}",
        f"{LATER} GRANT SELECT ON TABLES TO {api}",
        f"REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {worker}",
        *(f"REVOKE UPDATE, DELETE ON {table} FROM {worker}" for table in APPEND_ONLY),
        *await _by_column(connection, api),
        *(line for function in await writing_functions(connection) for line in _closed(function, worker)),
    ]
    for statement in statements:
        await connection.exec_driver_sql(statement)


async def writing_functions(connection: AsyncConnection) -> list[str]:
    """The signatures of the functions that PUBLIC must not run."""
    asked = text(
        "SELECT oid::regprocedure::text FROM pg_proc"
        " WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ :names ORDER BY 1"
    )
    return list((await connection.execute(asked, {"names": WRITING_FUNCTIONS})).scalars())


def quoted(name: str) -> str:
    """The name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


async def _login(connection: AsyncConnection, login: Login, options: str) -> None:
    known = text("SELECT true FROM pg_roles WHERE rolname = :name")
    if (await connection.execute(known, {"name": login.user})).scalar_one_or_none() is None:
        await connection.exec_driver_sql(f"CREATE ROLE {quoted(login.user)}")
    if login.password is not None:
        literal = "'" + login.password.replace("'", "''") + "'"
        options += f" PASSWORD {literal}"
    await connection.exec_driver_sql(f"ALTER ROLE {quoted(login.user)} LOGIN {options}")


async def _by_column(connection: AsyncConnection, api: str) -> list[str]:
    """Grants that leave out the hidden columns, for the tables that have some."""
    statements = []
    for table, hidden in HIDDEN.items():
        asked = text("SELECT column_name FROM information_schema.columns WHERE table_name = :table")
        names = (await connection.execute(asked, {"table": table})).scalars().all()
        shown = ", ".join(quoted(name) for name in names if not name.startswith(hidden))
        if names:
            rights = {"table": quoted(table), "columns": shown, "api": api}
            statements += [line.format(**rights) for line in BY_COLUMN]
    return statements


def _closed(function: str, worker: str) -> list[str]:
    lines = [f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC"]
    if function in WORKERS_FUNCTIONS:
        lines.append(f"GRANT EXECUTE ON FUNCTION {function} TO {worker}")
    return lines
