"""The floor of the API's reads: a FastAPI route that asks asyncpg for a row, and one that asks for twenty."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from fastapi import FastAPI


class Reading(asyncpg.Connection):  # type: ignore[type-arg]
    """The API's role may not unlock what it never locked, which is a part of the usual reset."""

    def get_reset_query(self) -> str:
        return ""


@asynccontextmanager
async def opened(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(
        host="127.0.0.1",
        port=int(os.environ["DATABASE_PORT"]),
        database=os.environ["DATABASE_NAME"],
        user=os.environ["CODEAI_DATABASE_API_USER"],
        password=os.environ["CODEAI_DATABASE_API_PASSWORD"],
        connection_class=Reading,
        min_size=5,
        max_size=25,
    ) as app.state.pool:
        yield


app = FastAPI(lifespan=opened)


@app.get("/executions/{id}")
async def show(id: str) -> dict[str, Any]:
    return dict(await app.state.pool.fetchrow("SELECT * FROM executions WHERE id = $1", id))


@app.get("/executions")
async def listed() -> dict[str, Any]:
    rows = await app.state.pool.fetch("SELECT * FROM executions ORDER BY created_at DESC, id DESC LIMIT 20")
    return {"items": [dict(row) for row in rows]}
