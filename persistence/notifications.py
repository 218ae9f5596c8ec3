"""What Postgres tells those who listen (`NOTIFY`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import asyncpg

from codeai.persistence.engine import Address


async def notifications(address: Address, channel: str) -> AsyncGenerator[str]:
    """What is notified on `channel`, on a connection of its own; an empty text first, when it listens.

    Ends when the connection is lost: ask again, and look at what may have been missed.
    """
    told: asyncio.Queue[str | None] = asyncio.Queue()
    connection = await asyncpg.connect(
        **address.arguments(),
        server_settings={"application_name": f"codeai listens to {channel}"},
    )
    try:
        connection.add_termination_listener(lambda _: told.put_nowait(None))
        await connection.add_listener(channel, lambda *message: told.put_nowait(str(message[-1])))
        yield ""
        while (message := await told.get()) is not None:
            yield message
    finally:
        connection.terminate()
