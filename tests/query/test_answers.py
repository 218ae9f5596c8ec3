"""Queries against a real Postgres: what they answer, page by page, and that values are bound parameters."""

from __future__ import annotations

import random
import re

import pytest

from codeai.persistence.engine import Database
from tests.query.answers import compare
from tests.query.generated import Rows, rows_of, store

SEED = 7


@pytest.fixture
async def rows(database: Database) -> Rows:
    found = rows_of(random.Random(SEED))
    await store(database, found)
    return found


async def test_random_queries_answer_what_plain_python_does(
    database: Database, reading: Database, rows: Rows
) -> None:
    seen = await compare(reading, rows, random.Random(SEED), 400)
    assert seen.answered > 250 and seen.refused > 20 and seen.rows > 2000
    # All that a query's text may bring into a statement are names of columns and a form that stands there anyway.
    assert [one for one in seen.statements if re.search(r"banana|it's|DROP|hunter2|'a|1000", one)] == []
