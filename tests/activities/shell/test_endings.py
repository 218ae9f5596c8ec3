"""How a command is ended: all that it started with it, whatever that does against it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codeai.activities.shell import formats
from codeai.activities.shell.descendants import living, noted_cgroup
from codeai.activities.shell.sandbox import Sandbox
from codeai.activities.shell.settings import ShellSettings
from codeai.workflows.contracts.shell import Outcome
from tests.activities.shell.bench import Bench, works
from tests.activities.shell.rig import fork_server, processes_with

pytestmark = pytest.mark.timeout(60)


async def test_a_time_out_ends_the_whole_group(bench: Bench) -> None:
    result = await bench.run("sleep 30 & echo $!; sleep 30", timeout=0.3)
    assert (result.outcome, result.exit_code) == (Outcome.TIMEOUT, 143)
    assert result.error is not None and result.error.kind == "timeout"
    assert not Path(f"/proc/{result.stdout}").exists()


async def test_what_ignores_the_end_is_killed_after_the_grace_wherever_it_went(bench: Bench) -> None:
    run = await bench.begin(
        'trap "" TERM; setsid sleep 31 & echo on; while true; do sleep 0.05; done', grace=0.4
    )
    await run.prints("on")
    await asyncio.sleep(0.1)
    assert len(processes_with(run.given.step_id)) >= 2
    began = time.monotonic()
    run.attempt.say(formats.CANCEL)
    result = await run.result()
    assert (result.outcome, result.exit_code) == (Outcome.CANCELLED, 137)
    assert 0.4 <= time.monotonic() - began < 3
    assert processes_with(run.given.step_id) == []


async def test_fifty_descendants_that_ignore_the_end_are_gone_with_the_grace(bench: Bench) -> None:
    text = """
        trap '' TERM
        for n in {1..17}; do
            sleep 77 &
            (setsid sleep 77 &) &
            env -i setsid bash -c 'trap "" TERM; (sleep 77 &); wait; sleep 77' &
        done
        echo on; wait
    """
    run = await bench.begin(text, grace=1.0)
    await run.prints("on")
    supervisor = run.pid("supervisor")
    async with asyncio.timeout(20):
        while len(family := descendants(supervisor)) < 50:
            await asyncio.sleep(0.02)
    run.attempt.say(formats.CANCEL)
    assert (await run.result()).outcome is Outcome.CANCELLED
    assert [pid for pid in family if Path(f"/proc/{pid}").exists()] == []


async def test_what_is_stopped_has_forked_away_or_holds_the_pipe_is_gone_with_the_grace(bench: Bench) -> None:
    text = """
        trap '' TERM
        sleep 76 & kill -STOP $!
        (setsid bash -c 'kill -STOP $$; sleep 76' &)
        env -i setsid bash -c 'trap "" TERM; (sleep 76 & kill -STOP $!; wait) & disown; sleep 76' &
        exec 3>&1; setsid sleep 76 >&3 &
        (true &)
        echo on; kill -STOP $$
    """
    run = await bench.begin(text, grace=0.5)
    await run.prints("on")
    supervisor = run.pid("supervisor")
    family: set[int] = set()
    async with asyncio.timeout(20):
        while len(family) < 7 or sum(living(pid)[:1] == [b"T"] for pid in family) < 4:
            await asyncio.sleep(0.02)
            family = descendants(supervisor)
    run.attempt.say(formats.CANCEL)
    assert (await run.result()).outcome is Outcome.CANCELLED
    assert [pid for pid in family if Path(f"/proc/{pid}").exists()] == []


def descendants(root: int) -> set[int]:
    """All that a process has started, by the kernel's list."""
    found: set[int] = set()
    for pid in formats.processes():
        at = pid
        while at > 1 and (fields := living(at)):
            at = int(fields[1])
            if at == root:
                found.add(pid)
                break
    return found


NASTY = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end = time.monotonic() + 75
for n in range(50):
    if os.fork():
        continue
    os.setsid()
    if os.fork():
        os._exit(0)
    if n % 5 == 0:
        os.closerange(0, 256)
    elif n % 5 == 1:
        os.execve("/bin/sleep", ["sleep", "75"], {})
    elif n % 5 == 2:
        os.kill(os.getpid(), signal.SIGSTOP)
    while n % 5 == 3 and time.monotonic() < end:
        pass
    while n % 5 == 4 and time.monotonic() < end:
        try:
            os.write(1, b".")
        except OSError:
            pass
        time.sleep(0.01)
    time.sleep(75)
while time.monotonic() < end:
    print("on", flush=True)
    time.sleep(0.1)
"""
"""Fifty daemons that ignore the end: with all files closed, without an environment, stopped, busy, writing on."""


@pytest.mark.parametrize("sandbox", [None, pytest.param(Sandbox(), marks=works)])
async def test_fifty_daemons_of_every_kind_are_gone_with_the_grace(
    bench: Bench, sandbox: Sandbox | None
) -> None:
    (bench.work / "nasty.py").write_text(NASTY)
    run = await bench.begin("exec python3 nasty.py", ShellSettings(sandbox=sandbox), grace=0.5)
    await run.prints("on")
    supervisor = run.pid("supervisor")
    async with asyncio.timeout(20):
        while len(family := descendants(supervisor)) < 50:
            await asyncio.sleep(0.02)
    run.attempt.say(formats.CANCEL)
    assert (await run.result()).outcome is Outcome.CANCELLED
    assert [pid for pid in family if living(pid)] == []
    assert processes_with(run.given.step_id) == []


HOPPERS = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        end = time.monotonic() + 20  # by itself, should nobody catch it
        while time.monotonic() < end:
            if os.fork():
                os._exit(0)
            os.setsid()
print("on", flush=True)
time.sleep(74)
"""
"""Fork away all the time: whoever looks finds them under another number, in another session, with another parent."""


@pytest.mark.parametrize("sandbox", [None, pytest.param(Sandbox(), marks=works)])
async def test_what_forks_away_all_the_time_is_caught(bench: Bench, sandbox: Sandbox | None) -> None:
    (bench.work / "hoppers.py").write_text(HOPPERS)
    run = await bench.begin("exec python3 hoppers.py", ShellSettings(sandbox=sandbox), grace=0.5)
    await run.prints("on")
    run.attempt.say(formats.CANCEL)
    assert (await run.result()).outcome is Outcome.CANCELLED
    assert processes_with(run.given.step_id) == []


WITHOUT_GROUPS = """
import sys; sys.path.append(sys.argv[1])
from codeai.activities.shell import forkserver, supervisor
forkserver.subreaper()()
supervisor.supervise(sys.argv[2], [])
"""


async def test_what_forks_away_all_the_time_is_caught_where_there_are_no_control_groups(bench: Bench) -> None:
    """That the supervisor has a child, the kernel knows also while each look at all processes misses it."""
    (bench.work / "hoppers.py").write_text(HOPPERS)
    run = bench.prepare("exec python3 hoppers.py", grace=0.5)
    root = str(Path(__file__).parents[3])
    words = [sys.executable, "-S", "-E", "-c", WITHOUT_GROUPS, root, str(run.attempt.folder)]
    supervisor = subprocess.Popen(words)
    await run.prints("on")
    assert noted_cgroup(str(run.attempt.folder)) is None
    run.attempt.say(formats.CANCEL)
    assert (await run.result()).outcome is Outcome.CANCELLED
    assert processes_with(run.given.step_id) == []
    assert supervisor.wait(10) == 0


async def test_children_have_the_grace_to_clean_up(bench: Bench) -> None:
    run = await bench.begin(
        "bash -c 'trap \"sleep 0.4; echo clean; exit\" TERM; echo on; while true; do sleep 0.02; done'",
        grace=5.0,
    )
    await run.prints("on")
    run.attempt.say(formats.CANCEL)
    assert (await run.result()).stdout == "on\nclean"


async def test_a_background_process_is_killed_with_the_shell_and_one_with_its_own_session_stays(
    bench: Bench,
) -> None:
    began = time.monotonic()
    result = await bench.run("sleep 40 & echo $!; setsid sleep 40 > /dev/null 2>&1 & sleep 0.1; echo $!")
    group, session = map(int, result.stdout.split())
    assert time.monotonic() - began < 5
    assert not Path(f"/proc/{group}").exists()
    assert Path(f"/proc/{session}").exists()
    os.kill(session, signal.SIGKILL)


async def test_what_a_command_leaves_behind_holds_no_slot(bench: Bench) -> None:
    result = await bench.run("setsid sleep 40 > /dev/null 2>&1 & echo $!")
    async with asyncio.timeout(5):
        while bench.slots.busy():
            await asyncio.sleep(0.01)
    os.kill(int(result.stdout), signal.SIGKILL)


async def test_who_outlives_its_supervisor_is_buried_by_the_fork_server(bench: Bench) -> None:
    """The first process of a container may bury nobody."""
    result = await bench.run("setsid sleep 40 > /dev/null 2>&1 & sleep 0.1; echo $!")
    stays = int(result.stdout)
    async with asyncio.timeout(10):
        while int(living(stays)[1]) != fork_server(bench.spool):
            await asyncio.sleep(0.01)
        os.kill(stays, signal.SIGKILL)
        while Path(f"/proc/{stays}").exists():
            await asyncio.sleep(0.01)


async def test_a_process_that_keeps_the_pipe_does_not_keep_the_step(bench: Bench) -> None:
    began = time.monotonic()
    result = await bench.run("setsid sleep 9 & echo started")
    assert result.stdout == "started"
    assert time.monotonic() - began < 8
