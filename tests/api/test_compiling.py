"""Programs are checked once, however often they are started."""

from __future__ import annotations

import asyncio

from codeai.api.compiling import Compilers


async def test_what_was_found_good_is_not_checked_again() -> None:
    compilers = Compilers()
    found = await compilers.examine("param who\nreturn who\n", {"who": "you"})
    assert found["valid"]
    await compilers.close()  # nobody is left who could check it
    async with asyncio.timeout(10):
        assert await compilers.examine("param who\nreturn who\n", {"who": "you"}) == found
