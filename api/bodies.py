"""Request bodies: how large they may be and what counts as JSON, before a model looks at them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from fastapi import Request

from codeai.api.problems import Refused
from codeai.workflows.contracts.decoding import InvalidInput, read_json

MOST_BYTES = 3 * 1024 * 1024 // 2
MOST_CONTAINERS = 100_000
"""Objects and arrays of a body. A million empty ones are made without giving way, which takes a second."""
READ_AT_ONCE = 16 * 1024
"""Bytes of JSON that are read on the event loop. Larger bodies are read beside it, one after another, since one of
1.5 million brackets takes a third of a second."""

_reader = ThreadPoolExecutor(1, "codeai-bodies")

Answer = TypeVar("Answer")


class StrictRequest(Request):
    """A request whose body is read once, counted while it arrives, and decoded strictly."""

    async def body(self) -> bytes:
        """Raises Refused(too_large)."""
        if not hasattr(self, "_body"):
            chunks: list[bytes] = []
            size = 0
            async for chunk in self.stream():
                size += len(chunk)
                if size > MOST_BYTES:
                    raise Refused("too_large", f"a body has at most {MOST_BYTES} bytes")
                chunks.append(chunk)
            self._body = b"".join(chunks)
        return self._body

    async def json(self) -> Any:
        """Raises Refused(invalid_json, unsupported_media_type)."""
        if not hasattr(self, "_json"):
            data = await self.body()
            if data and not _is_json(self.headers.get("content-type", "")):
                raise Refused("unsupported_media_type", "send the body as Content-Type: application/json")
            if self.headers.get("content-encoding", "identity").lower() != "identity":
                raise Refused("unsupported_media_type", "send the body as it is, without Content-Encoding")
            self._json = await beside(data, lambda: _decoded(data)) if data else None
        return self._json


async def beside(body: bytes, work: Callable[[], Answer]) -> Answer:
    """What `work` on this body answers; of a large one it is done beside the event loop, which has its turns."""
    if len(body) <= READ_AT_ONCE:
        return work()
    return await asyncio.get_running_loop().run_in_executor(_reader, work)


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )


def _decoded(data: bytes) -> Any:
    try:
        return read_json(data, containers=MOST_CONTAINERS)
    except InvalidInput as error:
        raise Refused("invalid_json", f"the body is not JSON as this API reads it: {error}") from None
