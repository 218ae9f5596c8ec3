"""Queries at their full number: each is refused with a caret, or answered as plain Python answers it."""

from __future__ import annotations

import asyncio
import random
import re
import tempfile
import time
from pathlib import Path

from codeai.persistence.engine import Database
from codeai.persistence.reads import Reads
from codeai.persistence.roles import API, WORKER
from tests.postgres import PASSWORD, Server, make_template, running
from tests.query.answers import LITERAL, compare
from tests.query.generated import rows_of, store
from tests.soak.item import Alone

QUERIES = 50_000
ROUNDS = 10
"""Other rows for each of these parts."""


def queries(chance: random.Random) -> str:
    """50,000 queries, in ten databases with rows of their own; no value of a query stands in a statement."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "postgres") as server:
        return asyncio.run(_asked(server, chance))


async def _asked(server: Server, chance: random.Random) -> str:
    await make_template(server)
    began, answered, refused, rows = time.monotonic(), 0, 0, 0
    statements: set[str] = set()
    for _ in range(ROUNDS):
        async with server.new() as address:
            found = rows_of(chance)
            writing = Database.connect(address.as_user(WORKER, PASSWORD))
            await store(writing, found)
            await writing.close()
            async with Reads.opened(address.as_user(API, PASSWORD)) as reading:
                seen = await compare(reading, found, chance, QUERIES // ROUNDS)
        answered, refused, rows = answered + seen.answered, refused + seen.refused, rows + seen.rows
        statements |= seen.statements
    literals = [one for one in statements if re.search(LITERAL, one)]
    assert literals == [], literals[:3]
    return (
        f"{answered:,} queries answered as plain Python does ({rows:,} rows), {refused:,} refused with a caret, "
        f"{len(statements):,} statements without a literal, {time.monotonic() - began:.0f} s"
    )


ITEMS = {"queries": Alone(queries)}
