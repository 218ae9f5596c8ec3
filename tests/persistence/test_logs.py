"""The log of a run: one stream, whose reader misses nothing and sees nothing twice."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from codeai.persistence import logs
from codeai.persistence.engine import Database
from codeai.persistence.executions import Executions, NewExecution
from codeai.persistence.logs import Logs, NewChunk, NoSuchExecution
from codeai.persistence.notifications import notifications
from codeai.persistence.reads import Reads

NOW = datetime(2026, 11, 25, tzinfo=UTC)


async def a_run(database: Database) -> str:
    id = str(uuid.uuid4())
    async with database.transaction() as rows:
        await Executions(rows).open(NewExecution(id, f"execution/{id}", NOW))
    return id


def chunk(step: str, position: int, text: str = "x") -> NewChunk:
    return NewChunk(step, 1, position, "stdout", NOW, text)


async def test_a_chunk_written_again_is_there_once(database: Database) -> None:
    run, step = await a_run(database), str(uuid.uuid4())
    async with database.transaction() as rows:
        await Logs(rows).append(run, [chunk(step, 0, "a"), chunk(step, 1, "b")])
    async with database.transaction() as rows:
        await Logs(rows).append(run, [chunk(step, 1, "b"), chunk(step, 2, "c"), chunk(step, 2, "c")])
        await Logs(rows).append(run, [chunk(step, 2, "c")])
    async with database.session() as rows:
        lines = await Logs(rows).after(run)
        assert [line.text for line in lines] == ["a", "b", "c"]
        assert lines[0].offset < lines[1].offset < lines[2].offset
        assert [line.text for line in await Logs(rows).after(run, 1, limit=1)] == ["b"]


async def test_who_reads_after_the_last_offset_misses_nothing_of_many_writers(
    database: Database, reading: Reads
) -> None:
    run = await a_run(database)

    async def write(step: str) -> None:
        for position in range(15):
            async with database.transaction() as rows:
                await Logs(rows).append(run, [chunk(step, position)])
                await asyncio.sleep(0)

    seen: list[int] = []

    async def read() -> None:
        while len(seen) < 60:
            seen.extend(line.offset for line in await Logs(reading).after(run, seen[-1] if seen else 0))

    async with asyncio.timeout(20):
        await asyncio.gather(read(), *(write(str(uuid.uuid4())) for _ in range(4)))
    assert seen == list(range(1, 61))


async def test_a_full_log_says_so_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_BYTES", 10)
    run, step = await a_run(database), str(uuid.uuid4())
    for position in range(4):
        async with database.transaction() as rows:
            await Logs(rows).append(run, [chunk(step, position, "12345")])
    async with database.session() as rows:
        lines = await Logs(rows).after(run)
    assert [line.stream for line in lines] == ["stdout", "stdout", "system"]


async def test_what_people_did_stands_in_a_full_log_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MOST_BYTES", 10)
    run, step = await a_run(database), str(uuid.uuid4())
    said = [
        NewChunk(str(uuid.uuid4()), 1, 0, "log", NOW, f"{word} by ann\n", kept=True)
        for word in ("pause", "cancel")
    ]
    printed = [chunk(step, position, "12345") for position in range(4)]
    async with database.transaction() as rows:
        await Logs(rows).append(run, [said[0], *printed, said[1]])
    async with database.session() as rows:
        lines = await Logs(rows).after(run)
    assert [line.text for line in lines] == ["pause by ann\n", "12345", "12345", logs.FULL, "cancel by ann\n"]


async def test_what_is_written_again_by_another_worker_fills_no_log(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each that takes over a command writes all that it has printed, from its beginning."""
    monkeypatch.setattr(logs, "MOST_BYTES", 15)
    run, step = await a_run(database), str(uuid.uuid4())
    for printed in (1, 2, 2, 3, 3, 4):
        async with database.transaction() as rows:
            await Logs(rows).append(run, [chunk(step, position, "12345") for position in range(printed)])
    async with database.session() as rows:
        lines = await Logs(rows).after(run)
    assert [(line.offset, line.text) for line in lines] == [
        (1, "12345"),
        (2, "12345"),
        (3, "12345"),
        (4, logs.FULL),
    ]


async def test_what_two_write_at_once_counts_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker was killed in the middle of a transaction that goes on in the database, and the next one writes the
    same: else a log would be full before it is, and what follows dropped."""
    monkeypatch.setattr(logs, "MOST_BYTES", 15)
    run, step = await a_run(database), str(uuid.uuid4())
    async with database.transaction() as dead:
        await Logs(dead).append(run, [chunk(step, 0, "12345"), chunk(step, 1, "12345")])

        async def again() -> None:
            async with database.transaction() as rows:
                await Logs(rows).append(run, [chunk(step, 0, "12345"), chunk(step, 1, "12345")])

        writing = asyncio.create_task(again())
        while not await _is_waited_for(database):
            await asyncio.sleep(0.01)
    await writing
    async with database.transaction() as rows:
        await Logs(rows).append(run, [chunk(step, 2, "12345")])
    async with database.session() as rows:
        lines = await Logs(rows).after(run)
    assert [(line.offset, line.text) for line in lines] == [(1, "12345"), (2, "12345"), (3, "12345")]


async def _is_waited_for(database: Database) -> bool:
    """Whether anybody waits for a lock."""
    asked = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with database.session() as rows:
        return bool((await rows.execute(asked)).scalar_one())


async def test_a_log_needs_its_run(database: Database) -> None:
    async with database.transaction() as rows:
        with pytest.raises(NoSuchExecution, match="has no row yet"):
            await Logs(rows).append(str(uuid.uuid4()), [chunk(str(uuid.uuid4()), 0)])


async def test_readers_are_woken_when_a_log_has_grown(database: Database, reading: Reads) -> None:
    run = await a_run(database)
    async with contextlib.aclosing(notifications(reading.address, logs.CHANNEL)) as woken:
        assert await anext(woken) == ""  # listening from here on
        async with database.transaction() as rows:
            await Logs(rows).append(run, [chunk(str(uuid.uuid4()), 0)])
        async with asyncio.timeout(10):
            assert await anext(woken) == run
