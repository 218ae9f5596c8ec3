"""Real HTTP servers on loopback: each answers as its test says, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Reply = bytes | None
"""The bytes of a whole answer; None: the connection is closed without one."""


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Site:
    """A server. `reply` makes the answer to the request with that number, from 1."""

    reply: Callable[[int, Asked], Reply | Awaitable[Reply]]
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.asked.append(Asked(method, target, headers, body))
            self.came.set()
            made = self.reply(len(self.asked), self.asked[-1])
            answer = await made if isinstance(made, Awaitable) else made
            if answer is not None:
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked has left
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def site(
    reply: Callable[[int, Asked], Reply | Awaitable[Reply]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Site]:
    """A server during the block."""
    made = Site(reply)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


def answer(status: int = 200, body: bytes | str = b"", **headers: str) -> bytes:
    """The bytes of an answer; `_` in a header's name stands for `-`."""
    content = body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Some Words", *(f"{name}: {value}" for name, value in named.items())]
    if "transfer-encoding" not in named and status != 204:
        lines.append(f"content-length: {len(content)}")
    return "\r\n".join([*lines, "", ""]).encode() + content
