"""Queries against a real Postgres: what they answer, page by page, and that values are bound parameters."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from sqlalchemy import insert

from codeai.dsl.query.check import check_filter
from codeai.dsl.query.diagnostics import DEPTH, BadQuery
from codeai.dsl.query.parser import read_filter
from codeai.dsl.query.tree import Assignments
from codeai.persistence import query as module
from codeai.persistence.deployments import DeploymentRow, Deployments, NewDeployment
from codeai.persistence.engine import Database
from codeai.persistence.entities import ENTITIES
from codeai.persistence.events import Event, EventRow, Events
from codeai.persistence.pages import BadCursor, Page
from codeai.persistence.query import Changed, OutOfRange, TooManyRows, read, understood, write
from codeai.persistence.query_sql import condition
from codeai.persistence.reads import Reads
from tests.query.answers import LITERAL, answer, compare
from tests.query.generated import EPOCH, Rows, rows_of, store

SEED = 7


@pytest.fixture
async def rows(database: Database) -> Rows:
    found = rows_of(random.Random(SEED))
    await store(database, found)
    return found


async def test_random_queries_answer_what_plain_python_does_and_send_their_values_as_parameters(
    reading: Reads, rows: Rows
) -> None:
    seen = await compare(reading, rows, random.Random(SEED), 400)
    assert seen.answered > 250 and seen.refused > 20 and seen.rows > 2000
    assert [one for one in seen.statements if re.search(LITERAL, one)] == []


@pytest.mark.parametrize("level", ["(NOT name = a AND NOT version = 1 OR ", "NOT "])
async def test_the_deepest_query_is_answered(reading: Reads, level: str) -> None:
    end = ")" if "(" in level else ""
    deepest = f"COUNT FROM configs WHERE {level * (DEPTH - 1)}name = b{end * (DEPTH - 1)}"
    assert await answer(reading, understood(deepest, {})) == [(0,)]


async def test_the_longest_chain_and_the_longest_list_are_answered(reading: Reads) -> None:
    chain = "COUNT FROM configs WHERE version = 1" + " OR version = 1" * 250
    assert await answer(reading, understood(chain, {})) == [(0,)]
    many = understood("COUNT FROM configs WHERE version IN @many", {"many": list(range(1000))})
    assert await answer(reading, many) == [(0,)]


async def kept(database: Database, count: int, **values: Any) -> None:
    events = [
        {
            "id": f"00000000-0000-7000-8000-{number:012}",
            "type": f"custom.{number % 3}",
            "source": "a test",
            "timestamp": EPOCH,
            "data": "{}",
            "about": "{}",
            **values,
        }
        for number in range(count)
    ]
    async with database.transaction() as rows:
        await rows.execute(insert(EventRow), events)


async def test_a_page_has_a_hundred_rows_and_the_cursor_goes_on_behind_them(
    database: Database, reading: Reads
) -> None:
    await kept(database, 250)
    query = understood("SELECT id FROM events ORDER BY type, id LIMIT 240", {})
    first = await read(reading, query)
    assert first.columns == (("id", "uuid"),) and len(first.rows) == 100
    async with database.transaction() as rows:
        await Events(rows).store(Event("00000000-0000-7000-8000-000000000999", "custom.0", "a test", EPOCH))
    second = await read(reading, query, first.next_cursor)
    third = await read(reading, query, second.next_cursor)
    assert [len(page.rows) for page in (second, third)] == [100, 40] and third.next_cursor is None
    found = [id for page in (first, second, third) for (id,) in page.rows]
    assert len(set(found)) == 240


@pytest.mark.parametrize("cursor", ["", "x", "W10", "bnVsbA", "é", "W251bGwsbnVsbCxbXV0"])
async def test_a_cursor_that_was_not_given_out_is_refused(reading: Reads, cursor: str) -> None:
    with pytest.raises(BadCursor):
        await read(reading, understood("SELECT id FROM events", {}), cursor)


async def test_a_cursor_is_of_its_query(database: Database, reading: Reads) -> None:
    await kept(database, 101)
    page = await read(reading, understood("SELECT id FROM events", {}))
    with pytest.raises(BadCursor):
        await read(reading, understood("SELECT id FROM events WHERE type = a", {}), page.next_cursor)


async def test_all_columns_are_those_that_the_caller_may_see(reading: Reads) -> None:
    query = understood("SELECT * FROM executions", {})
    shown = await read(reading, query, hidden={"inputs"})
    assert [name for name, _ in shown.columns] == [name for name in query.entity.columns if name != "inputs"]


async def test_a_sum_that_no_double_holds_is_an_error_and_no_breakdown(
    database: Database, reading: Reads
) -> None:
    async with database.transaction() as rows:
        for name in ("a", "b"):
            id = f"00000000-0000-7000-8000-00000000000{name}"
            await Deployments(rows).create(id, NewDeployment(name, park_timeout=1e308))
    with pytest.raises(OutOfRange):
        await answer(reading, understood("SUM(park_timeout) FROM deployments", {}))


async def deployments(database: Database, *names: str) -> None:
    async with database.transaction() as rows:
        for number, name in enumerate(names):
            id = f"00000000-0000-7000-8000-{number:012}"
            await Deployments(rows).create(id, NewDeployment(name, concurrency_key=name))


async def updated(database: Database, asked: str) -> Changed:
    query = understood(asked, {})
    assert isinstance(query.checked, Assignments)
    async with database.transaction() as rows:
        return await write(rows, query.entity, query.checked)


async def test_an_update_changes_the_rows_it_names_and_tells_what_they_had(database: Database) -> None:
    await deployments(database, "a", "b", "c")
    changed = await updated(
        database, "UPDATE deployments SET failure_policy = park, concurrency_key = NULL WHERE name IN (a, c)"
    )
    assert sorted((row["concurrency_key"], row["failure_policy"]) for row in changed.before) == [
        ("a", "undo"),
        ("c", "undo"),
    ]
    async with database.session() as rows:
        found = await Deployments(rows).page(Page())
    assert sorted(
        (one.name, one.failure_policy, one.concurrency_key, one.revision) for one in found.items
    ) == [
        ("a", "park", None, 2),
        ("b", "undo", "b", 1),
        ("c", "park", None, 2),
    ]


async def test_an_update_of_too_many_rows_changes_none(
    database: Database, reading: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_CHANGED", 2)
    await deployments(database, "a", "b", "c")
    with pytest.raises(TooManyRows):
        await updated(database, "UPDATE deployments SET failure_policy = park WHERE name IS NOT NULL")
    assert await answer(reading, understood("COUNT FROM deployments WHERE failure_policy = park", {})) == [
        (0,)
    ]


async def test_a_filter_narrows_a_list(database: Database) -> None:
    await deployments(database, "Apple", "pear")
    entity = ENTITIES["deployments"]
    where = condition(entity, check_filter(*read_filter("name:~app status:pending"), entity.shape))
    async with database.session() as rows:
        found = await Deployments(rows).page(Page(), where)
    assert [one.name for one in found.items] == ["Apple"]


@pytest.mark.parametrize("column", ["sealed", "secret", "text", "journal"])
def test_what_is_sealed_or_kept_for_the_machine_is_no_column(column: str) -> None:
    for entity in ("secrets", "execution_checkpoints"):
        with pytest.raises(BadQuery, match=f'has no column "{column}"'):
            understood(f"SELECT {column} FROM {entity}", {})
    assert DeploymentRow.__tablename__ in ENTITIES
