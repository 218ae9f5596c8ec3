"""Migrations make the tables that the code knows, and roles that may do what they must and no more."""

from __future__ import annotations

import asyncpg
import pytest

from codeai.persistence import migrate, probe
from codeai.persistence.engine import Address, Database
from codeai.persistence.roles import API, WORKER
from codeai.persistence.tables import METADATA
from tests.postgres import LOGINS, PASSWORD, Server


async def connected(address: Address) -> asyncpg.Connection:
    return await asyncpg.connect(
        host=address.host,
        port=address.port,
        user=address.user,
        password=address.password,
        database=address.name,
    )


async def test_a_migrated_database_has_exactly_the_tables_of_the_code(address: Address) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    options = {"compare_type": True, "compare_server_default": True}
    database = Database.connect(address)
    async with database.engine.connect() as connection:
        differences = await connection.run_sync(
            lambda plain: compare_metadata(MigrationContext.configure(plain, opts=options), METADATA)
        )
    await database.close()
    assert differences == []


async def test_up_and_down_and_up_again(migrated: Server) -> None:
    async with migrated.new(template=None) as owner:
        assert not any(migration.applied for migration in await migrate.status(owner))
        assert await migrate.up(owner, LOGINS) == []
        assert await migrate.up(owner, LOGINS) == []
        found = await migrate.status(owner)
        assert found[0].name == "initial_schema"
        assert all(migration.applied for migration in found)
        for _ in found:
            await migrate.down(owner)
        assert not any(migration.applied for migration in await migrate.status(owner))
        assert await migrate.up(owner, LOGINS) == []


REFUSED_TO_THE_API = [
    "INSERT INTO configs (id, name, version) VALUES (gen_random_uuid(), 'x', 1)",
    "UPDATE executions SET status = 'complete'",
    "DELETE FROM audit_log",
    "TRUNCATE blobs",
    "CREATE TABLE mine ()",
    "CREATE TEMP TABLE mine ()",
    "SELECT lo_create(0)",
    "SELECT lo_from_bytea(0, '')",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_xact_lock(1)",
    "SET ROLE codeai_owner",
    "SET ROLE codeai_worker",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/never'",
    "COPY configs FROM '/etc/passwd'",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT sealed FROM secrets",
    "SELECT * FROM secrets",
    "SELECT secrets FROM secrets",
    "SELECT count(*) FROM secrets WHERE sealed LIKE 'sealed%'",
    "TABLE secrets",
    "SELECT id FROM configs FOR UPDATE",
    "SELECT id FROM configs FOR KEY SHARE",
    "DO 'BEGIN LOCK TABLE configs IN EXCLUSIVE MODE; END'",
    "SELECT nextval('counter')",
    "SELECT setval('counter', 7)",
    "SELECT lo_put(1, 0, '')",
    "SELECT lowrite(0, '')",
    "SELECT lo_unlink(1)",
    "SELECT pg_advisory_xact_lock(1)",
    "SELECT pg_notify('codeai_roles', 'x')",
    "SELECT pg_logical_emit_message(false, 'x', 'y')",
    "SELECT touched()",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA mine",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE ROLE mine",
    "CREATE EXTENSION pg_trgm",
    "CREATE INDEX ON configs (name)",
    "CREATE TRIGGER mine BEFORE INSERT ON configs FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "ALTER TABLE configs ADD COLUMN mine int",
    "ALTER TABLE configs OWNER TO codeai_api",
    "GRANT SELECT ON secrets TO PUBLIC",
    "COMMENT ON TABLE configs IS 'mine'",
    "DROP TABLE audit_log",
    "ALTER ROLE codeai_worker PASSWORD 'mine'",
    "ALTER ROLE codeai_api SUPERUSER",
    "ALTER SYSTEM SET log_statement = 'none'",
    "SET session_replication_role = replica",
    "SELECT rolpassword FROM pg_authid",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'codeai_owner'",
]


async def test_the_api_role_cannot_write_even_when_it_says_that_it_writes(migrated: Server) -> None:
    async with migrated.new(template=None) as owner:
        await migrate.up(owner, LOGINS)
        owning = await connected(owner)
        await owning.execute(
            "CREATE SEQUENCE counter; CREATE FUNCTION touched() RETURNS int LANGUAGE sql SECURITY DEFINER"
            " AS 'DELETE FROM configs RETURNING 1'"
        )
        assert await probe.allowed(owner.as_user(API, PASSWORD)) == []
        connection = await connected(owner.as_user(API, PASSWORD))
        try:
            await connection.execute("SET default_transaction_read_only = off")
            for statement in REFUSED_TO_THE_API:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
                    pytest.fail(statement)
        finally:
            await connection.close()
            await owning.close()


async def test_what_the_api_role_may_change_of_itself_is_made_anew(migrated: Server) -> None:
    """Nobody can forbid a role its own password and settings."""
    async with migrated.new(template=None) as owner:
        await migrate.up(owner, LOGINS)
        reader = owner.as_user(API, PASSWORD)
        connection = await connected(reader)
        for statement in ("ALTER ROLE codeai_api PASSWORD 'mine'", "DELETE FROM configs"):
            with pytest.raises(asyncpg.PostgresError):  # as it comes, the role only reads
                await connection.execute(statement)
        await connection.execute("SET default_transaction_read_only = off")
        await connection.execute("ALTER ROLE codeai_api SET default_transaction_read_only = off")
        await connection.execute(f"ALTER ROLE codeai_api IN DATABASE {owner.name} SET statement_timeout = 0")
        await connection.execute("ALTER ROLE codeai_api PASSWORD 'mine'")
        await connection.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await connected(reader)
        assert await migrate.up(owner, LOGINS) == []
        connection = await connected(reader)
        shown = [
            await connection.fetchval(f"SHOW {name}")
            for name in ("default_transaction_read_only", "statement_timeout")
        ]
        await connection.close()
        assert shown == ["on", "10s"]


async def test_the_probe_names_what_is_open_and_what_closes_it(migrated: Server) -> None:
    async with migrated.new(template=None) as owner:
        await migrate.up(owner, LOGINS)
        reader = owner.as_user(API, PASSWORD)
        connection = await connected(owner)
        try:
            await connection.execute(
                f"GRANT UPDATE ON configs TO {API}; GRANT TEMPORARY ON DATABASE {owner.name} TO {API}"
            )
            await connection.execute("GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC")
            await connection.execute(f"CREATE SEQUENCE counter; GRANT USAGE ON SEQUENCE counter TO {API}")
            await connection.execute(f"GRANT SELECT (sealed) ON secrets TO {API}")
            open_doors = await probe.allowed(reader)
            assert {door.partition("; ")[0] for door in open_doors} == {
                f"{API} can {what}"
                for what in (
                    "make temporary tables",
                    "run lo_create(oid)",
                    "update configs",
                    "lock rows of configs",
                    "lock configs",
                    "count on counter",
                    "read secrets.sealed",
                )
            }
            for door in open_doors:
                await connection.execute(door.partition("has to run: ")[2])
            assert await probe.allowed(reader) == []
        finally:
            await connection.close()


async def test_the_worker_role_adds_to_the_audit_log_and_changes_nothing_in_it(address: Address) -> None:
    connection = await connected(address.as_user(WORKER, PASSWORD))
    try:
        for statement in (
            "DELETE FROM audit_log",
            "UPDATE audit_log SET actor = 'nobody'",
            "TRUNCATE audit_log",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


def test_an_address_does_not_show_its_password() -> None:
    assert "hush" not in repr(Address("h", 1, "codeai", "me", "hush"))
