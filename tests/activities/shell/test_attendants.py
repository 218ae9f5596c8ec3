"""Who attends what, where attendants come and go at once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from codeai.activities.shell.attendants import Attendants
from codeai.activities.shell.desk import Desk
from codeai.activities.shell.spool import Spool
from tests.activities.shell.rig import step


async def test_who_is_taken_while_a_worker_lets_go_of_everything_is_let_go_of_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the worker would attend it until it has drained, and the next one could not."""
    leaving, may_leave = asyncio.Event(), asyncio.Event()

    class TakesItsTime:
        def __init__(self, _desk: Any, attempt: Any, _step: Any, token: Any, _wanted: bool) -> None:
            self.attempt, self.token = attempt, token

        async def attend(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                leaving.set()
                await may_leave.wait()

    monkeypatch.setattr("codeai.activities.shell.attendants.Attendant", TakesItsTime)
    spool, asked = Spool.open(tmp_path / "spool"), step("true")
    attempt = spool.attempt(asked)
    attempt.write_input(asked)
    attendants = Attendants(cast(Desk, SimpleNamespace(spool=spool)))
    first, second = (spool.put_token(attempt, token, "workflow", "run") for token in (b"1", b"2"))
    await attendants.take(first, asked)
    await asyncio.sleep(0)
    taking = asyncio.create_task(attendants.take(second, asked))
    await leaving.wait()
    detaching = asyncio.create_task(attendants.detach())
    await asyncio.sleep(0)
    may_leave.set()
    await asyncio.gather(taking, detaching)
    assert attempt.lock() is not None
