"""Large answers: whole, while others have their turn."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator

import pytest

from codeai.api import turns
from codeai.api.turns import joined


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_the_parts_stand_in_their_array(count: int) -> None:
    shell = b'{"columns":[{"name":"rows"}],"rows":[],"next_cursor":"\\"rows\\":[]"}'
    text = await joined(shell, "rows", (json.dumps([number]).encode() for number in range(count)))
    assert json.loads(text) == json.loads(shell) | {"rows": [[number] for number in range(count)]}


async def test_others_have_their_turn_between_parts_that_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LONG", 0.0)
    other = asyncio.get_running_loop().create_future()
    seen = []

    def parts() -> Iterator[bytes]:
        asyncio.get_running_loop().call_soon(other.set_result, None)
        began = time.monotonic()
        while time.monotonic() == began:
            pass  # the clock has gone on
        yield b"1"
        seen.append(other.done())
        yield b"2"

    assert await joined(b'{"items":[]}', "items", parts()) == b'{"items":[1,2]}'
    assert seen == [True]
