"""Reading: one answer at a time, on connections that come back whatever happens to who asks, or to Postgres."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace

import pytest
import structlog
from sqlalchemy import Uuid, bindparam, cast, func, literal, select, text
from sqlalchemy.exc import DBAPIError

from codeai.persistence.engine import OVERFLOW, POOL_SIZE, Address, Database
from codeai.persistence.pool import Telling
from codeai.persistence.reads import Away, Reads, TookTooLong
from codeai.stack.postgres import free_port


async def test_a_statement_is_asked_again_with_other_values(reading: Reads) -> None:
    word = bindparam("word", None, type_=Uuid(as_uuid=False))
    asked = select(word.label("id"), func.upper(literal("x")).label("big"))
    for _ in range(2):
        id = str(uuid.uuid4())
        (row,) = (await reading.execute(asked, {"word": id})).all()
        assert (row.id, row.big) == (id, "X")


async def test_connections_that_the_server_closed_are_made_anew(reading: Reads, address: Address) -> None:
    await asyncio.gather(*(reading.execute(select(func.pg_sleep(0.01))) for _ in range(5)))
    owner = Database.connect(address)
    async with owner.session() as rows:
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'codeai_api'"
        await rows.execute(text(cut))
    await owner.close()
    await asyncio.gather(*(reading.answers() for _ in range(10)))


async def test_a_statement_that_takes_longer_than_it_may_is_ended(reading: Reads) -> None:
    with pytest.raises(TookTooLong):
        await reading.within(0.05).execute(select(func.pg_sleep(60)))
    assert reading.connections_in_use() == 0
    limit = (await reading.execute(select(func.current_setting("statement_timeout")))).scalar_one()
    assert limit == "10s"  # that of the role: the other one was of that statement


async def test_who_asks_no_longer_gives_the_connection_back(reading: Reads) -> None:
    await reading.answers()
    asking = asyncio.create_task(reading.execute(select(func.pg_sleep(60))))
    while not reading.connections_in_use():
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert reading.connections_in_use() == 0
    await reading.answers()


async def test_more_may_ask_at_once_than_there_are_connections(reading: Reads) -> None:
    asking = [asyncio.create_task(reading.execute(select(func.pg_sleep(0.02)))) for _ in range(100)]
    await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    assert 1 < reading.connections_in_use() <= POOL_SIZE + OVERFLOW
    await asyncio.gather(*asking)
    assert reading.connections_in_use() == 0


async def test_what_postgres_refuses_is_raised_as_a_session_raises_it(reading: Reads) -> None:
    with pytest.raises(DBAPIError) as refused:
        await reading.execute(select(cast(literal("no uuid"), Uuid(as_uuid=False))))
    assert getattr(refused.value.orig, "sqlstate", "").startswith("22")


async def test_a_slow_statement_is_told_of_without_its_values(reading: Reads) -> None:
    with structlog.testing.capture_logs() as told:
        await replace(reading, telling=Telling(0.0)).execute(select(literal("hush").label("word")))
    (line,) = told
    assert line["event"] == "slow query" and "SELECT" in line["statement"] and "hush" not in str(line)


async def test_a_server_that_is_away_is_an_error_at_once(address: Address) -> None:
    async with Reads.opened(replace(address, port=free_port())) as nowhere:
        with pytest.raises(Away):
            await nowhere.answers()
