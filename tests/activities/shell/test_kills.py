"""SIGKILL at any moment: every command runs exactly once and its result is right."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import uuid
from pathlib import Path

import pytest

from codeai.workflows.contracts.shell import Outcome
from tests.activities.shell.conftest import REPOSITORY, Rig
from tests.activities.shell.rig import HEARTBEATS, fork_server, step

pytestmark = pytest.mark.timeout(60)

COUNTED = 'echo "$CODEAI_STEP_ID" >> "$counter"; echo begun; sleep {}; echo done'


async def begun(counter: Path) -> None:
    async with asyncio.timeout(10):
        while not counter.exists():
            await asyncio.sleep(0.01)


async def test_a_command_goes_on_while_its_worker_is_killed_and_is_adopted_by_the_next_one(rig: Rig) -> None:
    counter = rig.root.parent / "counter"
    worker = await rig.worker()
    given = step(COUNTED.format(1.5), env={"counter": str(counter)})
    run = await rig.start(given)
    await begun(counter)
    worker.kill()
    await worker.wait()
    await rig.worker()
    [result] = await asyncio.wait_for(run.result(), 10)
    assert (result.outcome, result.stdout, result.attempt) == (Outcome.SUCCEEDED, "begun\ndone", 1)
    assert counter.read_text().splitlines() == [given.step_id]
    assert rig.record.text(given.step_id, "stdout") == "begun\ndone\n"


async def test_what_ended_while_no_worker_was_there_is_answered_by_the_next_one(rig: Rig) -> None:
    counter = rig.root.parent / "counter"
    worker = await rig.worker()
    run = await rig.start(step(COUNTED.format(0.3), env={"counter": str(counter)}))
    await begun(counter)
    worker.kill()
    await asyncio.sleep(0.5)
    await rig.worker()
    [result] = await asyncio.wait_for(run.result(), 10)
    assert (result.stdout, result.attempt) == ("begun\ndone", 1)


async def test_a_worker_of_a_newer_version_takes_over_what_an_older_one_left(
    rig: Rig, tmp_path: Path
) -> None:
    """The older one is installed elsewhere, and removed while its command runs."""
    old = tmp_path / "old"
    shutil.copytree(REPOSITORY / "codeai", old / "codeai", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "rig.py", "worker.py"):
        at = old / "tests" / "activities" / "shell" / name
        at.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / "tests" / "activities" / "shell" / name, at)
    counter = rig.root.parent / "counter"
    worker = await rig.begin_worker(old)
    await rig.ready(worker)
    first = fork_server(rig.spool)
    more = {"env": {"counter": str(counter)}, "execution_id": str(uuid.uuid4())}
    steps = [step(COUNTED.format(wait), **more) for wait in (2, 0)]
    run = await rig.start(*steps)
    await begun(counter)
    worker.kill()
    await worker.wait()
    shutil.rmtree(old)
    await rig.worker()
    results = await asyncio.wait_for(run.result(), 20)
    assert [result.stdout for result in results] == ["begun\ndone"] * 2
    assert counter.read_text().splitlines() == [one.step_id for one in steps]
    assert fork_server(rig.spool) != first


async def test_a_worker_that_stands_still_beyond_its_heartbeats_disturbs_nothing(rig: Rig) -> None:
    """Its commands go on, and it goes on where it was."""
    counter = rig.root.parent / "counter"
    frozen = await rig.worker()
    more = {"env": {"counter": str(counter)}, "execution_id": str(uuid.uuid4())}
    steps = [step(COUNTED.format(wait), **more) for wait in (1, 0)]
    run = await rig.start(*steps)
    await begun(counter)
    frozen.send_signal(signal.SIGSTOP)
    await asyncio.sleep(HEARTBEATS + 1)
    frozen.send_signal(signal.SIGCONT)
    results = await asyncio.wait_for(run.result(), 20)
    assert [result.stdout for result in results] == ["begun\ndone"] * 2
    assert counter.read_text().splitlines() == [one.step_id for one in steps]
    for one in steps:
        assert rig.record.text(one.step_id, "stdout") == "begun\ndone\n"


@pytest.mark.parametrize("seed", range(int(os.environ.get("CODEAI_HAMMER", "1"))))
async def test_killed_at_random_moments_every_command_runs_once(rig: Rig, seed: int) -> None:
    """Two workers on one root and the fork server, each killed at random. CODEAI_HAMMER=20 does it at length."""
    chance = random.Random(seed)
    counter = rig.root.parent / "counter"
    more = {"env": {"counter": str(counter)}, "execution_id": str(uuid.uuid4())}
    steps = [step(COUNTED.format(chance.choice((0, 0, 0.02, 0.2))), **more) for _ in range(16)]
    workers = [await rig.worker(), await rig.worker()]
    run = await rig.start(*steps)
    ended = asyncio.create_task(run.result())
    kills = 0
    while not ended.done() and kills < 8:
        known = len(rig.record.facts("started"))
        while len(rig.record.facts("started")) == known and not ended.done():
            await asyncio.sleep(0.001)
        await asyncio.sleep(chance.uniform(0, 0.03))  # the first moments of a step are the dangerous ones
        victim = chance.randrange(3)
        kills += 1
        if victim == 2:
            kill_fork_server(rig)
        else:
            workers[victim].kill()
            workers[victim] = await rig.worker()
    results = await asyncio.wait_for(ended, 60)
    assert [result.outcome for result in results] == [Outcome.SUCCEEDED] * len(steps)
    assert {result.stdout for result in results} == {"begun\ndone"}
    assert counter.read_text().splitlines() == [one.step_id for one in steps]
    for one in steps:
        assert rig.record.text(one.step_id, "stdout") == "begun\ndone\n"


def kill_fork_server(rig: Rig) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(fork_server(rig.spool), signal.SIGKILL)
