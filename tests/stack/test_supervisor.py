"""Children: started again when they die, stopped in order, their failure said in one line."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from codeai.stack.errors import StackError
from codeai.stack.processes import Command, Process
from codeai.stack.supervisor import Child, Supervisor


def shell(script: str, folder: Path, stop: signal.Signals = signal.SIGTERM) -> Command:
    return Command("child", ("/bin/sh", "-c", script), folder, {"PATH": os.defpath}, stop)


async def at_once(_: int) -> bool:
    return True


async def never(_: int) -> bool:
    return False


def a_child(command: Command, ready: object = at_once, **more: object) -> Child:
    return Child(command=lambda: command, ready=ready, **more)  # type: ignore[arg-type]


class Told(list[str]):
    def supervisor(self, folder: Path) -> Supervisor:
        return Supervisor(folder, self.append, lambda: None)


async def until(true: object, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_a_child_that_dies_is_started_again_and_it_is_said(tmp_path: Path) -> None:
    told = Told()
    supervisor = told.supervisor(tmp_path)
    await supervisor.start("sleeper", a_child(shell("exec sleep 60", tmp_path)))
    first = supervisor.processes()["sleeper"]
    os.kill(first.pid, signal.SIGKILL)
    await until(lambda: supervisor.processes().get("sleeper", first) != first)
    assert told == [f"sleeper (pid {first.pid}) ended with SIGKILL; started again"]
    await supervisor.stop("sleeper")
    assert supervisor.processes() == {}


async def test_a_child_that_dies_before_it_is_ready_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    supervisor = Told().supervisor(tmp_path)
    with pytest.raises(
        StackError, match=r"speaker ended with exit code 3: no luck today \(all of it: .*speaker.log\)"
    ):
        await supervisor.start("speaker", a_child(shell("echo no luck today; exit 3", tmp_path), never))


async def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    missing = Command("x", (str(tmp_path / "nothing"),), tmp_path, {})
    with pytest.raises(StackError, match="No such file or directory"):
        await Told().supervisor(tmp_path).start("x", a_child(missing))


async def test_a_child_that_cannot_be_started_again_is_tried_again(tmp_path: Path) -> None:
    told = Told()
    supervisor = told.supervisor(tmp_path)
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o700)
    command = Command("child", (str(program),), tmp_path, {"PATH": os.defpath})
    await supervisor.start("sleeper", a_child(command))
    first = supervisor.processes()["sleeper"]
    program.rename(tmp_path / "away")
    os.kill(first.pid, signal.SIGKILL)
    await until(lambda: any("cannot be started" in line for line in told))
    (tmp_path / "away").rename(program)
    await until(lambda: "sleeper" in supervisor.processes())
    await supervisor.stop("sleeper")


async def test_who_does_not_stop_in_time_is_killed(tmp_path: Path) -> None:
    supervisor = Told().supervisor(tmp_path)
    deaf = shell("trap '' TERM; touch deaf; while :; do sleep 0.05; done", tmp_path)

    async def listening(_: int) -> bool:
        return (tmp_path / "deaf").exists()

    await supervisor.start("deaf", a_child(deaf, listening, patience=0.2))
    process = supervisor.processes()["deaf"]
    await supervisor.stop("deaf")
    assert not process.alive


async def test_the_stop_signal_is_the_childs_own(tmp_path: Path) -> None:
    supervisor = Told().supervisor(tmp_path)
    script = "trap 'touch asked; exit 0' INT; touch up; while :; do sleep 0.02; done"

    async def up(_: int) -> bool:
        return (tmp_path / "up").exists()

    await supervisor.start("own", a_child(shell(script, tmp_path, signal.SIGINT), up))
    await supervisor.stop("own")
    assert (tmp_path / "asked").exists()


async def test_a_child_has_a_session_of_its_own_and_no_input(tmp_path: Path) -> None:
    supervisor = Told().supervisor(tmp_path)
    await supervisor.start("own", a_child(shell("exec sleep 60", tmp_path)))
    pid = supervisor.processes()["own"].pid
    assert os.getsid(pid) == pid
    await supervisor.stop("own")


def test_a_pid_that_was_used_again_is_not_the_process_that_was_meant() -> None:
    me = Process.of(os.getpid())
    assert me is not None and me.alive
    other = Process(me.pid, "1")
    assert not other.alive and other.stop(((signal.SIGKILL, 1.0),))
