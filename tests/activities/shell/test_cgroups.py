"""The control group of a command: where there is one, nothing that the command started leaves it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from codeai.activities.shell import formats
from codeai.activities.shell.cgroups import Cgroup
from codeai.activities.shell.descendants import living, noted_cgroup
from codeai.activities.shell.spool import Absent, Lost, Running
from tests.activities.shell.bench import Bench, Run, gone
from tests.bench.bench_supervisor import FRESH

pytestmark = pytest.mark.timeout(60)

DAEMON = 'env -i setsid bash -c "trap \\"\\" TERM; exec -a hidden sleep 300 < /dev/null > /dev/null 2>&1 & echo \\$!"'
"""Has left the session, its parent is gone, its environment is empty, it holds no pipe and ignores the end."""


@pytest.fixture
async def grouped(bench: Bench) -> Bench:
    """A bench whose commands have control groups."""
    run = await bench.begin("true")
    await run.result()
    if noted_cgroup(str(run.attempt.folder)) is None:
        pytest.skip("no control group can be made here: it takes Linux 5.14 and a cgroup v2 that is writable")
    return bench


def cgroup_of(run: Run) -> Cgroup:
    found = noted_cgroup(str(run.attempt.folder))
    assert found is not None
    return found


async def daemon_of(run: Run) -> int:
    await run.prints("on\n")
    pid = int(run.log().split()[0])
    assert living(pid)
    return pid


async def removed(cgroup: Cgroup) -> None:
    async with asyncio.timeout(10):
        while Path(cgroup.path).exists():
            await asyncio.sleep(0.01)


async def test_what_a_killed_supervisor_left_dies_also_where_nothing_tells_whose_it_is(
    grouped: Bench,
) -> None:
    run = await grouped.begin(f"{DAEMON}; echo on; sleep 300")
    daemon, cgroup = await daemon_of(run), cgroup_of(run)
    os.kill(run.pid("supervisor"), signal.SIGKILL)
    while isinstance(run.attempt.look(), Running):
        await asyncio.sleep(0.005)
    assert run.attempt.look() == Lost(noted=True)
    run.attempt.kill_rest()
    assert not living(daemon) and not living(run.pid())
    await removed(cgroup)


@pytest.mark.parametrize("end", ["cancel", "timeout"])
async def test_whatever_a_command_started_is_gone_when_it_was_ended(grouped: Bench, end: str) -> None:
    timeout = 1.0 if end == "timeout" else 60.0
    run = await grouped.begin(f"{DAEMON}; echo on; sleep 300", timeout=timeout)
    daemon, cgroup = await daemon_of(run), cgroup_of(run)
    if end == "cancel":
        run.attempt.say(formats.CANCEL)
    await run.result()
    assert not living(daemon)
    await removed(cgroup)


async def test_what_runs_beyond_its_lease_dies_with_its_group_by_the_fork_server(grouped: Bench) -> None:
    """Its supervisor is dead, and no worker there."""
    run = grouped.prepare(f"{DAEMON}; echo on; sleep 300", lost_after=60.0)
    run.attempt.renew(formats.clock(), 2)
    slot = await grouped.slots.take("run")
    await grouped.spawner.ask(str(run.attempt.folder), slot)
    os.close(slot)
    while isinstance(run.attempt.look(), Absent):
        await asyncio.sleep(0.005)
    daemon = await daemon_of(run)
    os.kill(run.pid("supervisor"), signal.SIGKILL)
    await gone(daemon)
    await gone(run.pid())


async def test_the_group_goes_with_its_command_and_what_may_stay_stays(grouped: Bench) -> None:
    run = await grouped.begin(f"{DAEMON}; echo on")
    assert (await run.result()).exit_code == 0
    daemon = int(run.log().split()[0])
    await removed(cgroup_of(run))
    assert living(daemon)
    os.kill(daemon, signal.SIGKILL)


async def test_groups_that_a_command_makes_in_its_own_die_with_it(grouped: Bench) -> None:
    run = await grouped.begin("echo on; sleep 300")
    await run.prints("on")
    cgroup = cgroup_of(run)
    inner = Cgroup(f"{cgroup.path}/inner")
    assert inner.make()
    (Path(inner.path) / "cgroup.procs").write_text(str(run.pid()))
    run.attempt.say(formats.CANCEL)
    await run.result()
    assert not living(run.pid())
    await removed(cgroup)


async def test_where_the_spool_is_removed_no_group_stays(grouped: Bench) -> None:
    run = await grouped.begin(f"{DAEMON}; echo on; sleep 300")
    daemon, cgroup = await daemon_of(run), cgroup_of(run)
    shutil.rmtree(run.attempt.folder.parent)
    await gone(daemon)
    await removed(cgroup)


async def test_where_no_group_can_be_made_a_command_runs_without(bench: Bench) -> None:
    run = bench.prepare("echo ran")
    words = [
        sys.executable,
        "-S",
        "-E",
        "-c",
        FRESH,
        str(Path(__file__).parents[3]),
        str(run.attempt.folder),
    ]
    assert subprocess.run(words, check=False).returncode == 0
    assert (await run.result()).stdout == "ran"
    assert noted_cgroup(str(run.attempt.folder)) is None
