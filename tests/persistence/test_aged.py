"""What is past its time goes, in batches; what is not, and what is needed, stays."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from codeai.persistence import aged
from codeai.persistence.aged import DELETIONS, Aged, Batch
from codeai.persistence.checkpoints import Checkpoints
from codeai.persistence.engine import Database
from codeai.persistence.events import Event, Events
from codeai.persistence.executions import Ending, Executions
from codeai.persistence.logs import Logs, NewChunk
from codeai.persistence.steps import NewStep, Steps
from codeai.workflows.contracts.retention import AGED
from tests.persistence.test_executions import START, a_run

LATER = START + timedelta(days=1)


def test_whatever_is_said_to_age_can_be_deleted() -> None:
    assert list(DELETIONS) == list(AGED)


async def run_with_log(
    database: Database, ended: datetime | None, lines: int = 3, deployment: str | None = None
) -> str:
    run = a_run(deployment_id=deployment)
    step = str(uuid.uuid4())
    async with database.transaction() as rows:
        await Executions(rows).open(run)
        await Steps(rows).started(
            NewStep(
                id=step,
                execution_id=run.id,
                seq=1,
                kind="exec",
                line=1,
                attempt=1,
                command="x",
                started_at=START,
            )
        )
        chunks = [NewChunk(step, 1, n, "stdout", START, f"{n}\n") for n in range(lines)]
        await Logs(rows).append(run.id, chunks)
        await Checkpoints(rows).save(run.id, 1, "text")
        if ended:
            await Executions(rows).close(run.id, Ending("complete", ended))
    return run.id


async def log_of(database: Database, run: str) -> list[str]:
    async with database.session() as rows:
        return [line.text for line in await Logs(rows).after(run)]


async def there(database: Database, run: str) -> bool:
    async with database.session() as rows:
        return await Executions(rows).get(run) is not None


async def delete(database: Database, name: str, before: datetime) -> Batch:
    async with database.transaction() as rows:
        return await DELETIONS[name](Aged(rows), before)


async def test_the_log_of_a_run_goes_with_time_after_its_end(database: Database) -> None:
    old, young, going = [await run_with_log(database, at) for at in (START, LATER + timedelta(1), None)]
    assert await delete(database, "logs", LATER) == Batch(3, more=False)
    assert await log_of(database, old) == []
    for run in (young, going):
        assert len(await log_of(database, run)) == 3
    assert await delete(database, "logs", LATER) == Batch(0, more=False)
    async with database.transaction() as rows:
        await Logs(rows).append(old, [NewChunk(None, 1, 9, "log", LATER, "undone\n")])
    async with database.session() as rows:
        assert [line.offset for line in await Logs(rows).after(old, 3)] == [4]


async def test_a_batch_is_bounded_and_the_next_one_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aged, "ROWS", 4)
    monkeypatch.setattr(aged, "RUNS", 2)
    runs = [await run_with_log(database, START) for _ in range(3)]
    counts = []
    while (batch := await delete(database, "logs", LATER)).more:
        counts.append(batch.count)
    assert sum(counts) + batch.count == 9 and max(counts) <= 4
    gone = 0
    while (batch := await delete(database, "executions", LATER)).more:
        gone += batch.count
    assert gone + batch.count == 3
    assert not any([await there(database, run) for run in runs])


async def test_a_run_goes_with_all_that_is_its_and_the_newest_of_a_deployment_stays(
    database: Database,
) -> None:
    deployment = str(uuid.uuid4())
    single, going = await run_with_log(database, START), await run_with_log(database, None)
    first, newest = sorted([await run_with_log(database, START, deployment=deployment) for _ in range(2)])
    assert (await delete(database, "executions", LATER)).count == 2
    assert [await there(database, run) for run in (single, first, going, newest)] == [
        False,
        False,
        True,
        True,
    ]
    assert await log_of(database, single) == [] and len(await log_of(database, newest)) == 3
    async with database.session() as rows:
        assert await Checkpoints(rows).newest(single) is None


async def test_a_run_that_is_reopened_just_now_stays(database: Database) -> None:
    run = await run_with_log(database, START)
    async with database.transaction() as rows:
        await Executions(rows).reopen(run, "queued")
        deleting = asyncio.create_task(delete(database, "executions", LATER))
        await asyncio.wait({deleting}, timeout=0.5)
    await deleting
    assert await there(database, run)


async def test_old_events_go(database: Database) -> None:
    async with database.transaction() as rows:
        await Events(rows).store(Event(str(uuid.uuid4()), "custom.a", "test", START))
    assert await delete(database, "events", START) == Batch(0, more=False)
    assert await delete(database, "events", datetime.now(UTC) + timedelta(minutes=1)) == Batch(1, more=False)


async def test_whose_files_are_needed(database: Database) -> None:
    old, young, going = [await run_with_log(database, at) for at in (START, LATER + timedelta(1), None)]
    asked = [old, young, going, str(uuid.uuid4()), "no uuid"]
    async with database.session() as rows:
        assert await Aged(rows).still_needed(asked, LATER) == {young, going}
