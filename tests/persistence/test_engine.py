"""Connections: closed when nobody uses them, kept out of harm's way by a restart, slow ones told of."""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import text

from codeai.persistence.engine import Address, Database
from codeai.persistence.pool import IdleConnections, Telling, tell_of_queries
from tests.postgres import PASSWORD


async def connections(address: Address, label: str) -> int:
    owner = Database.connect(address)
    async with owner.session() as rows:
        asked = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :label")
        found: int = (await rows.execute(asked, {"label": label})).scalar_one()
    await owner.close()
    return found


async def test_idle_connections_are_closed_and_made_again(address: Address) -> None:
    database = Database.connect(address.as_user("codeai_worker", PASSWORD), label="idle test")
    IdleConnections(database.engine, idle=1.0)
    await asyncio.gather(*(database.answers() for _ in range(3)))
    assert await connections(address, "idle test") >= 1
    async with asyncio.timeout(10):
        while await connections(address, "idle test"):
            await asyncio.sleep(0.02)
    await database.answers()
    await database.close()


async def test_a_session_survives_that_the_server_closed_its_connections(address: Address) -> None:
    database = Database.connect(address, label="cut off")
    await database.answers()
    other = Database.connect(address)
    async with other.session() as rows:
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cut off'"
        await rows.execute(text(cut))
    await other.close()
    await database.answers()
    await database.close()


async def test_a_slow_statement_is_told_of_without_its_values(address: Address) -> None:
    database = Database.connect(address)
    tell_of_queries(database.engine, Telling(0.0))
    with structlog.testing.capture_logs() as told:
        async with database.session() as rows:
            await rows.execute(text("SELECT :word"), {"word": "hush"})
    await database.close()
    (line,) = told
    assert line["event"] == "slow query" and "SELECT" in line["statement"] and "hush" not in str(line)
