"""Tries as the reading role what must be refused, and tells what was not: grants alone prove nothing.

Postgres lets every role change its own password and settings and say NOTIFY, and has no way to forbid that. The first
two are made anew at every migration; who is notified looks for himself and believes nothing.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from codeai.persistence.engine import Address, Database
from codeai.persistence.roles import HIDDEN, quoted, writing_functions

REFUSED = "42501"
"""SQLSTATE insufficient_privilege."""

ATTEMPTS = (
    (
        "make tables",
        "CREATE TABLE public.codeai_probe ()",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC, {me}",
    ),
    (
        "make temporary tables",
        "CREATE TEMP TABLE codeai_probe ()",
        "REVOKE TEMPORARY ON DATABASE {db} FROM PUBLIC, {me}",
    ),
    ("make schemas", "CREATE SCHEMA codeai_probe", "REVOKE CREATE ON DATABASE {db} FROM PUBLIC, {me}"),
    ("make roles", "CREATE ROLE codeai_probe", "ALTER ROLE {me} NOCREATEROLE"),
    ("run programs", "COPY (SELECT 1) TO PROGRAM 'true'", "REVOKE pg_execute_server_program FROM {me}"),
    ("read the server's files", "SELECT pg_read_file('PG_VERSION')", "REVOKE pg_read_server_files FROM {me}"),
    (
        "write the server's files",
        "COPY (SELECT 1) TO '/nonexistent/codeai_probe'",
        "REVOKE pg_write_server_files FROM {me}",
    ),
    ("read passwords", "SELECT 1 FROM pg_authid", "ALTER ROLE {me} NOSUPERUSER"),
)
"""What nobody who only reads may do (★): in words, as a statement, and what ends it."""

ON_TABLES = (
    ("insert into", "INSERT INTO {table} DEFAULT VALUES", "REVOKE INSERT ON {table} FROM PUBLIC, {me}"),
    (
        "update",
        "UPDATE {table} SET {column} = {column} WHERE false",
        "REVOKE UPDATE ON {table} FROM PUBLIC, {me}",
    ),
    ("delete from", "DELETE FROM {table} WHERE false", "REVOKE DELETE ON {table} FROM PUBLIC, {me}"),
    ("lock rows of", "SELECT 1 FROM {table} FOR UPDATE", "REVOKE UPDATE ON {table} FROM PUBLIC, {me}"),
    (
        "lock",
        "LOCK TABLE {table} IN ROW EXCLUSIVE MODE",
        "REVOKE INSERT, UPDATE, DELETE, TRUNCATE, MAINTAIN ON {table} FROM PUBLIC, {me}",
    ),
    ("truncate", "TRUNCATE {table}", "REVOKE TRUNCATE ON {table} FROM PUBLIC, {me}"),
    ("drop", "DROP TABLE {table}", "ALTER TABLE {table} OWNER TO codeai_owner"),
)
"""The same (★) for every table."""
ON_SEQUENCES = (
    (
        "count on",
        "SELECT nextval('{sequence}')",
        "REVOKE USAGE, UPDATE ON SEQUENCE {sequence} FROM PUBLIC, {me}",
    ),
    (
        "set",
        "SELECT setval('{sequence}', 1)",
        "REVOKE USAGE, UPDATE ON SEQUENCE {sequence} FROM PUBLIC, {me}",
    ),
)
"""The same (★) for every sequence."""
ATTRIBUTES = {
    "rolsuper": ("do everything", "NOSUPERUSER"),
    "rolcreatedb": ("make databases", "NOCREATEDB"),
    "rolreplication": ("replicate the server", "NOREPLICATION"),
    "rolbypassrls": ("pass row security", "NOBYPASSRLS"),
    "rolinherit": ("inherit what it is a member of", "NOINHERIT"),
}
"""What (★) the role itself must not be: a column of pg_roles, in words, and what ends it."""
READ, UNREAD = "SELECT {column} FROM {table}", "REVOKE SELECT ON {table} FROM PUBLIC, {me}"


async def allowed(reader: Address) -> list[str]:
    """What the reading role can do and must not: one line each with what a superuser has to run; nothing
    where all is well."""
    database = Database.connect(reader, label="codeai migrate probe")
    names = {"me": quoted(reader.user), "db": quoted(reader.name)}
    try:
        async with database.engine.connect() as connection:
            attempts = [(what, statement, remedy.format(**names)) for what, statement, remedy in ATTEMPTS]
            attempts += await _on_roles(connection, names)
            attempts += await _on_tables(connection, names)
            attempts += await _on_sequences(connection, names)
            found = await _settings(connection, names) + await _functions(connection, names)
            found += await _attributes(connection, names)
            await connection.rollback()
            for what, statement, remedy in attempts:
                if not await _is_refused(connection, statement):
                    found.append((what, remedy))
    finally:
        await database.close()
    return [f"{reader.user} can {what}; a superuser has to run: {remedy}" for what, remedy in found]


async def _is_refused(connection: AsyncConnection, statement: str) -> bool:
    try:
        # It must be the privilege that is missing: the role itself can end its being read-only.
        await connection.exec_driver_sql("SET TRANSACTION READ WRITE")
        await connection.exec_driver_sql(statement)
    except DBAPIError as problem:
        return getattr(problem.orig, "sqlstate", None) == REFUSED
    finally:
        await connection.rollback()
    return False


async def _settings(connection: AsyncConnection, names: dict[str, str]) -> list[tuple[str, str]]:
    if (await connection.execute(text("SHOW default_transaction_read_only"))).scalar_one() == "on":
        return []
    return [("write by mistake", f"ALTER ROLE {names['me']} SET default_transaction_read_only = on")]


async def _functions(connection: AsyncConnection, names: dict[str, str]) -> list[tuple[str, str]]:
    own = text("SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
    candidates = await writing_functions(connection) + list((await connection.execute(own)).scalars())
    asked = text(
        "SELECT name FROM unnest(CAST(:names AS text[])) AS name"
        " WHERE has_function_privilege(name, 'execute')"
    )
    runs = (await connection.execute(asked, {"names": candidates})).scalars().all()
    if not runs:
        return []
    listed = ", ".join(runs)
    return [(f"run {listed}", f"REVOKE EXECUTE ON FUNCTION {listed} FROM PUBLIC, {names['me']}")]


async def _attributes(connection: AsyncConnection, names: dict[str, str]) -> list[tuple[str, str]]:
    asked = text("SELECT * FROM pg_roles WHERE rolname = current_user")
    has = (await connection.execute(asked)).mappings().one()
    return [
        (what, f"ALTER ROLE {names['me']} {ends}") for name, (what, ends) in ATTRIBUTES.items() if has[name]
    ]


async def _on_sequences(connection: AsyncConnection, names: dict[str, str]) -> list[tuple[str, str, str]]:
    asked = text(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S' ORDER BY 1"
    )
    attempts = []
    for name in (await connection.execute(asked)).scalars():
        here = {"sequence": f"public.{quoted(name)}"} | names
        attempts += [
            (f"{what} {name}", statement.format(**here), remedy.format(**here))
            for what, statement, remedy in ON_SEQUENCES
        ]
    return attempts


async def _on_roles(connection: AsyncConnection, names: dict[str, str]) -> list[tuple[str, str, str]]:
    asked = text("SELECT rolname FROM pg_roles WHERE rolname <> current_user ORDER BY 1")
    others = [quoted(name) for name in (await connection.execute(asked)).scalars()]
    return [(f"act as {name}", f"SET ROLE {name}", f"REVOKE {name} FROM {names['me']}") for name in others]


async def _on_tables(connection: AsyncConnection, names: dict[str, str]) -> list[tuple[str, str, str]]:
    asked = text(
        "SELECT relname, array_agg(attname::text ORDER BY attnum)"
        " FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
        " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped"
        " GROUP BY 1"
    )
    attempts = []
    for name, columns in await connection.execute(asked):
        table = {"table": quoted(name), "column": quoted(columns[0])}
        for what, statement, remedy in ON_TABLES:
            attempts.append((f"{what} {name}", statement.format(**table), remedy.format(**table, **names)))
        for column in columns:
            if name in HIDDEN and column.startswith(HIDDEN[name]):
                here = table | names | {"column": quoted(column)}
                attempts.append((f"read {name}.{column}", READ.format(**here), UNREAD.format(**here)))
    return attempts
