"""What a host answers by its control queue."""

from __future__ import annotations

import asyncio
import os
import uuid
from datetime import UTC, datetime

import pytest
from temporalio.testing import ActivityEnvironment

from codeai.activities.shell import attendant
from codeai.activities.shell.spool import Absent, Refused
from codeai.workflows.contracts.hosts import (
    HearInput,
    KillInput,
    KillResult,
    ProbeInput,
    SpoolFound,
    SpoolWanted,
)
from codeai.workflows.contracts.kinds import EXECUTE_DEPLOYMENT
from codeai.workflows.contracts.shell import CommandInput, Outcome
from tests.activities.shell.conftest import Here
from tests.activities.shell.rig import processes_with, step

pytestmark = pytest.mark.timeout(60)


async def kill(here: Here, execution: str, *steps: CommandInput, attempt: int | None = None) -> KillResult:
    named = tuple(one.step_id for one in steps) or None
    given = KillInput(execution_id=execution, step_ids=named, attempt=attempt)
    result: KillResult = await ActivityEnvironment().run(here.host.control.kill_commands, given)
    return result


async def read(here: Here, execution: str) -> SpoolFound:
    found: SpoolFound = await ActivityEnvironment().run(
        here.host.control.read_spool, SpoolWanted(execution_id=execution)
    )
    return found


async def test_a_probe_says_what_runs_and_in_which_spool(here: Here) -> None:
    given = step("sleep 60")
    run = await here.start(given)
    await here.started(given)
    answer = await here.host.control.probe_host(ProbeInput())
    assert (answer.spool, answer.running) == (here.host.spool_id, 1)
    await run.cancel()
    await run.result()
    assert (await here.host.control.probe_host(ProbeInput())).running == 0


async def test_killing_answers_when_all_of_a_run_is_dead_and_its_rows_say_so(here: Here) -> None:
    """As for a run that was terminated: nobody waits for its commands any more."""
    execution = str(uuid.uuid4())
    ended = step("echo before", execution_id=execution)
    given = step(
        'echo here; trap "" TERM; setsid sleep 61 & while true; do sleep 0.1; done', execution_id=execution
    )
    other = step("sleep 60")
    run, bystander = await here.start(ended, given), await here.start(other)
    await here.started(given)
    await here.started(other)
    await run.terminate()
    while here.rig.spool.attempt(given).key in here.rig.spool.newest_tokens():
        await asyncio.sleep(0.05)
    killed = await kill(here, execution)
    assert processes_with(given.step_id) == [] != processes_with(other.step_id)
    (found,) = killed.commands
    assert (found.step_id, found.state, found.result and found.result.outcome) == (
        given.step_id,
        "ended",
        Outcome.CANCELLED,
    )
    assert here.record.facts("ended", given.step_id)[0]["outcome"] == "cancelled"
    assert here.record.text(given.step_id) == "here\n"
    assert (await kill(here, execution)).commands == ()
    states = [(one.step_id, one.state) for one in (await read(here, execution)).commands]
    assert sorted(states) == sorted([(ended.step_id, "ended"), (given.step_id, "ended")])
    await bystander.cancel()
    await bystander.result()


async def test_how_a_command_ended_by_itself_is_written_by_who_comes_to_end_it(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run was terminated before: nobody waited for it. Else it would count as lost."""
    monkeypatch.setattr(attendant, "HEARTBEAT", 0.1)
    given = step("until [ -e go ]; do sleep 0.02; done; echo said")
    await here.left_alone(given)
    (found,) = (await kill(here, given.execution_id)).commands
    assert found.result is not None and found.result.outcome is Outcome.SUCCEEDED
    assert here.record.facts("ended", given.step_id)[0]["outcome"] == "succeeded"
    assert here.record.text(given.step_id) == "said\n"
    assert (await kill(here, given.execution_id)).commands == ()


async def test_killing_waits_for_no_attendant_that_is_slow_to_say_how_a_command_ended(here: Here) -> None:
    """What is undone next is told by the row how that ended."""
    given = step("sleep 61")
    run = await here.start(given)
    await here.started(given)
    await run.terminate()
    attempt = here.rig.spool.attempt(given)
    while (attended := attempt.lock()) is None:
        await asyncio.sleep(0.05)
    try:
        await kill(here, given.execution_id, given)
        assert [fact["outcome"] for fact in here.record.facts("ended", given.step_id)] == ["cancelled"]
    finally:
        os.close(attended)


async def test_what_was_not_started_never_will_be(here: Here) -> None:
    given = step("touch ran").model_copy(update={"spool": here.rig.spool.id})
    attempt = here.rig.spool.attempt(given)
    attempt.write_input(given)
    assert isinstance(attempt.look(), Absent)
    (found,) = (await kill(here, given.execution_id, given)).commands
    assert (found.state, found.result and found.result.started) == ("refused", False)
    assert isinstance(attempt.look(), Refused)
    assert here.record.facts("ended", given.step_id)[0]["outcome"] == "cancelled"
    [result] = await here.run(given)
    assert result.outcome is Outcome.CANCELLED
    assert processes_with(given.step_id) == []


async def test_of_a_run_that_was_taken_up_again_only_what_it_had_left_is_ended(here: Here) -> None:
    """Who asked had found it ended. Temporal hands the question on late, and again when a worker dies; the commands
    that the run has by then are its undo's."""
    execution = str(uuid.uuid4())
    usual = {"workflow_id": EXECUTE_DEPLOYMENT.workflow_id(execution)}
    going_on = await here.start(step("sleep 61", execution_id=execution).model_copy(update=usual))
    before, now = (
        step("touch ran", execution_id=execution).model_copy(update={**usual, "run": run})
        for run in ("another", going_on.first_execution_run_id)
    )
    for given in (before, now):
        here.rig.spool.attempt(given).write_input(given)
    if_ended = KillInput(execution_id=execution, if_ended=True)  # it may be just about to take up the others
    assert (await ActivityEnvironment().run(here.host.control.kill_commands, if_ended)).commands == ()
    found = {one.step_id for one in (await kill(here, execution)).commands}
    assert before.step_id in found and now.step_id not in found
    assert isinstance(here.rig.spool.attempt(now).look(), Absent)
    await going_on.terminate()
    assert now.step_id in {one.step_id for one in (await kill(here, execution)).commands}


async def test_of_an_earlier_boot_nobody_knows_that_nothing_had_begun(here: Here) -> None:
    """A power cut takes along what was written last. What it did has to be undone."""
    noted, absent, never_told = (step("touch ran", spool="of-another-boot") for _ in range(3))
    for given in (noted, absent, never_told):
        here.rig.spool.attempt(given).write_input(given)
    (here.rig.spool.attempt(noted).folder / "entry").write_bytes(b"supervisor 1 1\n")
    await here.record.started(absent, here.host.id, datetime.now(UTC))
    results = [
        (await kill(here, one.execution_id, one)).commands[0].result for one in (noted, absent, never_told)
    ]
    assert [one and one.started for one in results] == [True, True, False]
    assert {one and one.spool for one in results} == {here.host.spool_id}


async def test_a_later_attempt_of_a_step_is_not_ended_with_the_one_that_was_meant(here: Here) -> None:
    first = step("touch ran")
    second = first.model_copy(update={"attempt": 2})
    for given in (first, second):
        here.rig.spool.attempt(given).write_input(given)
    (found,) = (await kill(here, first.execution_id, first, attempt=1)).commands
    assert (found.attempt, found.state) == (1, "refused")
    assert isinstance(here.rig.spool.attempt(second).look(), Absent)


async def test_a_named_step_that_has_ended_by_itself_is_answered_with_what_it_said(here: Here) -> None:
    given = step("echo said; exit 3")
    await here.run(given)
    (found,) = (await kill(here, given.execution_id, given)).commands
    assert found.result is not None
    assert (found.result.outcome, found.result.exit_code, found.result.stdout) == (Outcome.FAILED, 3, "said")
    assert (await kill(here, str(uuid.uuid4()))).commands == ()


async def test_a_cancel_is_heard_at_once_and_only_a_cancel_that_was_requested(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attendant itself would not hear of it: it sends no heartbeat here."""
    monkeypatch.setattr(attendant, "HEARTBEAT", 3600.0)
    given = step('for n in {1..5}; do (trap "" TERM; sleep 60) & done; sleep 60', grace=0.2)
    run = await here.start(given)
    while len(processes_with(given.step_id)) < 6:
        await asyncio.sleep(0.05)
    asked = HearInput(execution_id=given.execution_id, step_id=given.step_id)
    assert not (await here.host.control.hear_cancel(asked)).is_cancelled
    assert processes_with(given.step_id)
    await run.cancel()
    while not (await here.host.control.hear_cancel(asked)).is_cancelled:
        await asyncio.sleep(0.05)
    [result] = await run.result()
    assert result.outcome is Outcome.CANCELLED
    assert processes_with(given.step_id) == []
    assert not (await here.host.control.hear_cancel(asked)).is_cancelled
