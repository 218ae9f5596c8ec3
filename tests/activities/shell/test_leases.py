"""Leases: where a host may be given up, a command runs only as long as Temporal has been heard of. Two guards keep
that, each enough: the command's supervisor and the host's fork server."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from codeai.activities.shell import formats
from codeai.activities.shell.attendant import lease_length
from codeai.activities.shell.slots import Slots
from codeai.activities.shell.spool import Absent, Ended
from codeai.workflows.contracts.shell import Outcome
from tests.activities.shell.bench import Bench, Run, gone
from tests.activities.shell.conftest import Here
from tests.activities.shell.rig import fork_server, processes_with, step

pytestmark = pytest.mark.timeout(60)

TICKING = 'echo on; while true; do echo tick >> "$CODEAI_WORKSPACE/ticks"; sleep 0.02; done'


async def ask(bench: Bench, text: str, lease: float | None) -> Run:
    """Asks for a command whose lease is over in so many seconds; nobody renews it."""
    run = bench.prepare(text, lost_after=60.0)
    if lease is not None:
        run.attempt.renew(formats.clock(), lease)
    slot = await bench.slots.take("run")
    await bench.spawner.ask(str(run.attempt.folder), slot)
    os.close(slot)
    return run


def ticks(bench: Bench) -> int:
    file = bench.work / "ticks"
    return file.stat().st_size if file.exists() else 0


async def until(true: Callable[[], object], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("lost_after", "length"), [(600.0, 540.0), (120.0, 60.0), (100.0, 50.0), (8.0, 4.0)])
def test_a_lease_is_over_well_before_its_host_can_be_given_up(lost_after: float, length: float) -> None:
    assert lease_length(lost_after) == length


@pytest.mark.parametrize("lease", [None, -0.5])
async def test_without_a_lease_nothing_begins_and_the_attempt_may_be_asked_for_again(
    bench: Bench, lease: float | None
) -> None:
    run = await ask(bench, "echo ran", lease)
    later = await ask(bench, "echo after", 30)
    await until(lambda: not isinstance(later.attempt.look(), Absent))
    assert (await later.result()).stdout == "after"
    assert isinstance(run.attempt.look(), Absent)
    run.attempt.renew(formats.clock(), 30)
    slot = await bench.slots.take("run")
    await bench.spawner.ask(str(run.attempt.folder), slot)
    os.close(slot)
    await until(lambda: not isinstance(run.attempt.look(), Absent))
    assert (await run.result()).stdout == "ran"


async def test_the_supervisor_kills_what_outlives_its_lease_without_a_grace(bench: Bench) -> None:
    run = await ask(bench, 'trap "" TERM; setsid sleep 60 & ' + TICKING, 0.7)
    await run.prints("on")
    os.kill(fork_server(bench.spool), signal.SIGSTOP)
    try:
        result = await asyncio.wait_for(run.result(), 5)
    finally:
        os.kill(fork_server(bench.spool), signal.SIGCONT)
    assert (result.outcome, result.error and result.error.kind) == (Outcome.LOST, "lost")
    assert 0.5 < result.duration < 2.0
    assert processes_with(run.given.step_id) == []
    assert not Path(formats.lease_file(str(run.attempt.folder))).exists()


async def test_a_lease_that_ran_out_while_the_machine_slept_is_over_when_it_wakes(bench: Bench) -> None:
    """A sleep is a jump of the lease's clock, in the middle of a wait by another one that stood still."""
    run = bench.prepare("echo on; sleep 60", lost_after=600.0)
    run.attempt.renew(formats.clock(), 500)
    script = (
        "import sys, time; sys.path.append(sys.argv[1])\n"
        "from codeai.activities.shell import formats, supervisor\n"
        "real, wakes = formats.clock, time.monotonic() + 0.5\n"
        "formats.clock = lambda: real() + 3600 * (time.monotonic() > wakes)\n"
        "supervisor.supervise(sys.argv[2], [])\n"
    )
    root = Path(__file__).parents[3]
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-S", "-E", "-c", script, str(root), str(run.attempt.folder)
    )
    assert await asyncio.wait_for(supervisor.wait(), 30) == 0
    result = await run.result()
    assert (result.outcome, result.stdout) == (Outcome.LOST, "on")
    assert result.error is not None and "heard nothing of Temporal" in result.error.message
    assert processes_with(run.given.step_id) == []


async def test_a_grace_ends_with_the_lease(bench: Bench) -> None:
    run = bench.prepare('trap "" TERM; echo on; while true; do sleep 0.05; done', lost_after=60.0, grace=50.0)
    run.attempt.renew(formats.clock(), 1.0)
    slot = await bench.slots.take("run")
    await bench.spawner.ask(str(run.attempt.folder), slot)
    os.close(slot)
    await until(lambda: "on" in run.log())
    run.attempt.say(formats.CANCEL)
    await asyncio.wait_for(run.result(), 10)
    assert processes_with(run.given.step_id) == []


async def test_a_renewed_lease_lets_it_run_on(bench: Bench) -> None:
    run = await ask(bench, "echo on; sleep 1.5; echo ended", 0.5)
    await run.prints("on")
    for _ in range(10):
        run.attempt.renew(formats.clock(), 0.5)
        await asyncio.sleep(0.2)
    assert (await run.result()).outcome is Outcome.SUCCEEDED


async def test_the_fork_server_kills_what_a_stopped_supervisor_does_not(bench: Bench) -> None:
    run = await ask(bench, "setsid sleep 60 & " + TICKING, 0.7)
    await run.prints("on")
    supervisor = run.pid("supervisor")
    os.kill(supervisor, signal.SIGSTOP)
    try:
        await gone(run.pid())
        seen = ticks(bench)
        await until(lambda: processes_with(run.given.step_id) == [])
        assert ticks(bench) == seen
    finally:
        os.kill(supervisor, signal.SIGCONT)
    assert (await asyncio.wait_for(run.result(), 5)).outcome is Outcome.LOST


async def test_the_fork_server_kills_what_a_dead_supervisor_left(bench: Bench) -> None:
    run = await ask(bench, "setsid sleep 60 & " + TICKING, 1.0)
    await run.prints("on")
    os.kill(run.pid("supervisor"), signal.SIGKILL)
    await until(lambda: processes_with(run.given.step_id) == [])
    await until(lambda: not Path(formats.lease_file(str(run.attempt.folder))).exists())


async def test_what_a_command_that_has_ended_left_is_not_ended_by_a_lease_that_came_too_late(
    bench: Bench,
) -> None:
    """The answer of a heartbeat may be noted just when the supervisor has written the exit."""
    run = await ask(bench, "setsid sleep 40 > /dev/null 2>&1 & echo $!", 30.0)
    lease = Path(formats.lease_file(str(run.attempt.folder)))
    await until(lambda: isinstance(run.attempt.look(), Ended) and not lease.exists())
    stays = int((await run.result()).stdout)
    run.attempt.renew(formats.clock() - 100, 1.0)
    await until(lambda: not lease.exists())
    assert Path(f"/proc/{stays}").exists()
    os.kill(stays, signal.SIGKILL)


async def test_the_fork_server_stays_as_long_as_anything_has_a_lease(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await ask(bench, "echo on; sleep 60", 5.0)  # longer than a fork server stays alone
    await run.prints("on")
    pid = fork_server(bench.spool)
    bench.spawner.close()
    os.kill(run.pid("supervisor"), signal.SIGSTOP)
    await until(lambda: processes_with(run.given.step_id) == [], 20)
    assert Path(f"/proc/{pid}").exists()
    os.kill(run.pid("supervisor"), signal.SIGCONT)
    await run.result()
    await gone(pid)


async def test_a_command_has_a_lease_where_its_host_may_be_given_up_and_none_where_not(here: Here) -> None:
    given, free = step("echo on; sleep 60", lost_after=30.0), step("sleep 60")
    runs = [await here.start(given), await here.start(free)]
    for one in (given, free):
        await here.started(one)
    file, none = (Path(formats.lease_file(str(here.rig.spool.attempt(one).folder))) for one in (given, free))
    first = formats.lease(str(file))
    assert first is not None and 10 < first - formats.clock() <= 15
    assert not none.exists()
    await until(lambda: (formats.lease(str(file)) or 0) > first)
    for run in runs:
        await run.cancel()
        await run.result()
    await until(lambda: not file.exists())


async def test_the_lease_of_a_run_that_is_gone_is_not_renewed_and_kills_its_command(here: Here) -> None:
    given = step("sleep 60", lost_after=8.0)
    run = await here.start(given)
    await here.started(given)
    await run.terminate()
    await until(lambda: processes_with(given.step_id) == [], 15)


def test_a_run_that_was_taken_holds_a_slot_until_its_first_command(tmp_path: Path) -> None:
    slots = Slots(tmp_path, 2)
    assert slots.hold("a", heed_others=True)
    assert slots.hold("a", heed_others=True)  # again: it is the same
    assert slots.hold("b", heed_others=True)
    assert not slots.hold("c", heed_others=True)
    assert slots.hold("c", heed_others=False)  # nothing runs
    first = asyncio.run(slots.take("a"))
    second = asyncio.run(Slots(tmp_path, 2).take("b"))
    assert not slots.hold("d", heed_others=False)
    os.close(second)
    assert not slots.hold("d", heed_others=True)  # it is c's
    for run, then in (
        ("c", time.time() - 11),
        ("d", time.time() + 3600),
    ):  # long ago; by a clock that was ahead
        os.utime(tmp_path / f"hold.{run}", (then, then))
        assert slots.hold(chr(ord(run) + 1), heed_others=True)
    os.close(first)
