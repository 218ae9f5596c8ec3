"""Who attends what, where attendants come and go at once."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.service import RPCError, RPCStatusCode

from codeai.activities.shell import formats
from codeai.activities.shell.attendant import Attendant
from codeai.activities.shell.attendants import Attendants
from codeai.activities.shell.desk import Desk
from codeai.activities.shell.settings import ShellSettings
from codeai.activities.shell.spool import Attempt, Spool
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.shell import CommandInput
from codeai.workflows.contracts.steps import LogLine, Notes
from tests.activities.shell.rig import FileRecord, step


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


async def test_a_host_without_a_free_file_for_a_moment_adopts_what_nobody_attends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopted = asyncio.Event()

    class Adopts:
        def __init__(self, _desk: Any, attempt: Any, _step: Any, token: Any, _wanted: bool) -> None:
            self.attempt, self.token = attempt, token

        async def attend(self) -> None:
            adopted.set()

    class Busy(Spool):
        is_asked_first = True

        def must_be_there(self) -> None:
            if self.is_asked_first:
                self.is_asked_first = False
                raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("codeai.activities.shell.attendants.Attendant", Adopts)
    monkeypatch.setattr("codeai.activities.shell.attendants.AFTER_TROUBLE", 0.01)
    made, asked = Spool.open(tmp_path / "spool"), step("true")
    spool = Busy(made.path, made.id)
    attempt = spool.attempt(asked)
    attempt.write_input(asked)
    spool.put_token(attempt, b"token", "workflow", "run")
    attendants = Attendants(cast(Desk, SimpleNamespace(spool=spool, client=Forgotten())))
    watching = asyncio.create_task(attendants.watch())
    done, _ = await asyncio.wait(
        (watching, asyncio.create_task(adopted.wait())), return_when=asyncio.FIRST_COMPLETED
    )
    assert watching not in done
    watching.cancel()
    await attendants.detach()


async def test_a_lease_that_cannot_be_written_ends_no_attendance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk: who attended it would begin anew with all that it has printed, every two seconds."""
    monkeypatch.setattr("codeai.activities.shell.attendant.HEARTBEAT", 0.01)
    spool, record = Spool.open(tmp_path / "spool"), FileRecord(tmp_path / "record")
    asked = step("true", lost_after=60.0)
    attempt, beats = spool.attempt(asked), 0
    attempt.write_input(asked)

    class Full(Attempt):
        def renew(self, sent: float, length: float) -> None:
            nonlocal beats
            beats += 1
            raise OSError(errno.ENOSPC, "No space left on device")

    class Answers(Forgotten):
        async def heartbeat(self, **_: Any) -> None:
            pass

    desk = SimpleNamespace(
        spool=spool, record=record, host="host", client=Answers(), settings=ShellSettings()
    )
    token = spool.put_token(attempt, b"token", "workflow", "run")
    entry = os.open(attempt.folder / "entry", os.O_RDWR | os.O_CREAT)
    assert formats.lock(entry)
    full = Full(attempt.folder, attempt.key)
    attending = asyncio.create_task(Attendant(cast(Desk, desk), full, asked, token, wanted=False).attend())
    while beats < 3 and not attending.done():
        await asyncio.sleep(0.01)
    assert not attending.done()
    attending.cancel()
    await asyncio.gather(attending, return_exceptions=True)
    os.close(entry)


class Forgotten:
    """Temporal, which knows an activity no more; it takes its time to say so."""

    namespace = "default"

    @property
    def workflow_service(self) -> Any:
        return SimpleNamespace(reset_sticky_task_queue=self.heartbeat)

    def get_async_activity_handle(self, **_: Any) -> Forgotten:
        return self

    async def heartbeat(self, *_given: Any, **_: Any) -> None:
        for _turn in range(100):
            await asyncio.sleep(0)
        raise RPCError("no such activity", RPCStatusCode.NOT_FOUND, b"")

    complete = heartbeat


NOTES = Notes(lines=(LogLine(step_id="before", level="info", text="said", time=1.0),))


@pytest.mark.parametrize(
    ("asked", "is_refused"),
    [
        pytest.param(step("true", notes=NOTES), False, id="it brought notes"),
        pytest.param(step("true"), True, id="it was refused by somebody who died then"),
    ],
)
async def test_of_what_nobody_waits_for_any_more_nothing_begins_in_the_record(
    tmp_path: Path, asked: CommandInput, is_refused: bool
) -> None:
    """A host that comes back after its run has given it up, and ended: the row of a step would begin again."""
    spool, record = Spool.open(tmp_path / "spool"), FileRecord(tmp_path / "record")
    attempt = spool.attempt(asked)
    attempt.write_input(asked)
    if is_refused:
        attempt.refuse(RunError(kind="value_error", message="no such folder", line=1))
    else:
        (attempt.folder / "entry").write_bytes(b"supervisor 1 1\ncommand 1 1\n")
        (attempt.folder / "exit").write_bytes(b"exited 0 1.0 0 0 0 0\n")
    desk = SimpleNamespace(
        spool=spool, record=record, host="host", client=Forgotten(), settings=ShellSettings()
    )
    token = spool.put_token(attempt, b"token", "workflow", "run")
    await Attendant(cast(Desk, desk), attempt, asked, token, wanted=False).attend()
    assert record.facts("started") == []
    assert spool.newest_tokens() == {}
