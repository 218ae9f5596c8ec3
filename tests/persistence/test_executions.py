"""Rows of runs: written again with the same outcome, and never back to an earlier status."""

from __future__ import annotations

import dataclasses
import itertools
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from codeai.activities.canonical import canonical
from codeai.persistence.base import is_uuid, uuid7
from codeai.persistence.engine import Database
from codeai.persistence.executions import Ending, ExecutionFilter, Executions, NewExecution
from codeai.persistence.lanes import LaneRuns
from codeai.persistence.leftovers import Leftovers
from codeai.persistence.pages import BadCursor, Page
from codeai.persistence.steps import NewStep, Steps
from codeai.workflows.contracts.errors import RunError

START = datetime(2026, 11, 25, 12, tzinfo=UTC)


def a_run(**different: object) -> NewExecution:
    id = str(uuid.uuid4())
    return dataclasses.replace(NewExecution(id, f"execution/{id}", START), **different)  # type: ignore[arg-type]


async def test_a_status_never_goes_back(database: Database) -> None:
    run = a_run(status="queued")
    async with database.transaction() as rows:
        executions = Executions(rows)
        seen = []
        await executions.open(run)
        for status in ("running", "waiting", "running", "undoing", "running", "queued"):
            await executions.set_status(run.id, status, f"is {status}")
            found = await executions.get(run.id)
            assert found is not None
            seen.append(found.status)
        assert seen == ["running", "waiting", "running", "undoing", "undoing", "undoing"]


async def test_the_first_ending_stays(database: Database) -> None:
    run = a_run()
    async with database.transaction() as rows:
        executions = Executions(rows)
        await executions.open(run)
        await executions.close(run.id, Ending("complete", START + timedelta(seconds=2), result='{"a":1e22}'))
        await executions.close(
            run.id, Ending("failed", START + timedelta(seconds=9), error='{"kind":"lost"}')
        )
        await executions.set_status(run.id, "running")
        await executions.open(run)
    async with database.session() as rows:
        found = await Executions(rows).get(run.id)
    assert found is not None and found.ended
    assert (found.status, found.result, found.error) == ("complete", '{"a":1e22}', None)
    assert found.completed_at == START + timedelta(seconds=2)


async def test_a_host_that_was_not_known_is_added_by_opening_again(database: Database) -> None:
    run = a_run()
    async with database.transaction() as rows:
        for host in (None, "one", "two"):
            await Executions(rows).open(dataclasses.replace(run, host=host))
        found = await Executions(rows).get(run.id)
    assert found is not None and found.host == "one"


async def test_a_row_that_was_made_for_a_run_is_completed_by_it(database: Database) -> None:
    made = a_run(status="queued", deployment_id=str(uuid.uuid4()))
    own = dataclasses.replace(
        made, config_id=str(uuid.uuid4()), version=3, content_hash="abc", inputs='{"n":1}', lane="l"
    )
    async with database.transaction() as rows:
        for new in (made, own, dataclasses.replace(own, version=4, inputs="{}"), made):
            await Executions(rows).open(new)
        found = await Executions(rows).get(made.id)
        waiting = await LaneRuns(rows).of("l")
    assert found is not None
    assert (found.status, found.version, found.content_hash, found.inputs) == ("queued", 3, "abc", '{"n":1}')
    assert (found.config_id, found.failure_policy) == (own.config_id, "undo")
    assert [one.id for one in waiting] == [made.id]


async def test_an_ended_run_that_waits_to_go_on_may_still_end_as_it_had(database: Database) -> None:
    run = a_run()
    why = '{"kind":"failed","message":"no"}'
    async with database.transaction() as rows:
        executions = Executions(rows)
        await executions.open(run)
        await executions.close(run.id, Ending("failed", START + timedelta(seconds=2), error=why))

        async def now() -> tuple[str, str | None, bool]:
            found = await executions.get(run.id)
            assert found is not None
            return found.status, found.error, found.completed_at is not None

        for _ in range(2):
            await executions.reopen(run.id, "queued")
        assert await now() == ("queued", why, True)
        await executions.set_status(run.id, "failed")
        assert await now() == ("failed", why, True)
        await executions.reopen(run.id, "queued")
        await executions.reopen(run.id, "running")
        assert await now() == ("running", None, False)
        await executions.reopen(run.id, "queued")
        assert await now() == ("running", None, False)


LAST, BROKEN = ("third", "out 3", 0), ("second", "out 2", 7)


@pytest.mark.parametrize(
    ("status", "error", "shown"),
    [
        pytest.param("complete", None, LAST, id="complete"),
        pytest.param("failed", {"kind": "exec_failed", "message": "", "line": 2}, BROKEN, id="by an exec"),
        pytest.param(
            "failed",
            {
                "kind": "exec_failed",
                "message": "",
                "line": 9,
                "errors": [{"kind": "exec_failed", "message": "", "line": 2, "exit_code": 7}],
            },
            BROKEN,
            id="by execs whose errors were collected",
        ),
        pytest.param(
            "compensated", {"kind": "exec_failed", "message": "", "line": 2}, BROKEN, id="compensated later"
        ),
        pytest.param(
            "failed", {"kind": "failed", "message": 'not "line":2,', "line": 22}, LAST, id="by fail()"
        ),
        pytest.param("failed", {"kind": "terminated", "message": ""}, LAST, id="from outside"),
    ],
)
async def test_a_run_shows_its_last_exec_or_the_one_that_it_failed_by(
    database: Database, status: str, error: dict[str, Any] | None, shown: tuple[str, str, int]
) -> None:
    """Not one that failed before, which the program went on from."""
    run = a_run()
    async with database.transaction() as rows:
        await Executions(rows).open(run)
        for seq, (kind, command, code) in enumerate(
            [("exec", "first", 0), ("exec", "second", 7), ("exec", "third", 0), ("undo", "fourth", 0)], 1
        ):
            step = NewStep(str(uuid.uuid4()), run.id, seq, kind, seq, 1, command, START)
            await Steps(rows).started(step)
            outcome = "succeeded" if code == 0 else "failed"
            await Steps(rows).ended(step.id, 1, outcome, code, f"out {seq}", "", completed_at=START)
        told = canonical(RunError.model_validate(error)) if error else None
        await Executions(rows).close(run.id, Ending(status, START, error=told))
        found = await Executions(rows).get(run.id)
    assert found is not None and (found.command, found.output, found.exit_code) == shown


async def test_a_step_keeps_its_newest_attempt_and_that_ones_first_ending(database: Database) -> None:
    step = NewStep(str(uuid.uuid4()), str(uuid.uuid4()), 1, "exec", 4, 1, "make", START, "host", '{"line":4}')
    second = dataclasses.replace(step, attempt=2, started_at=START + timedelta(seconds=5))
    async with database.transaction() as rows:
        steps = Steps(rows)
        for attempt in (step, step, second, step):
            await steps.started(attempt)
        await steps.ended(step.id, 1, "failed", 1, "old", "", completed_at=START)
        await steps.ended(step.id, 2, "succeeded", 0, "nul \0 out", "", completed_at=second.started_at)
        await steps.ended(step.id, 2, "lost", completed_at=second.started_at)
        (found,) = (await steps.of(step.execution_id, Page())).items
        assert (found.attempt, found.status, found.stdout) == (2, "succeeded", "nul \ufffd out")
        assert [entry.undo for entry in await steps.undo_entries(step.execution_id, [1, 2])] == ['{"line":4}']


async def test_what_a_run_left_is_lost_only_as_long_as_it_has_ended(database: Database) -> None:
    """Whoever asked its hosts may hear of them when a `compensate` has taken the run up again."""
    run = a_run()
    left = NewStep(str(uuid.uuid4()), run.id, 1, "exec", 1, 1, "make", START, "host")
    undo = NewStep(str(uuid.uuid4()), run.id, 2, "undo", 1, 1, "clean", START, "host")

    async def statuses() -> list[str]:
        async with database.session() as rows:
            return [step.status for step in (await Steps(rows).of(run.id, Page())).items]

    async def lost() -> list[str]:
        async with database.transaction() as rows:
            await Leftovers(rows).lost(run.id, "host", START)
        return await statuses()

    async with database.transaction() as rows:
        await Executions(rows).open(run)
        await Steps(rows).started(left)
    assert await lost() == ["running"]
    async with database.transaction() as rows:
        await Executions(rows).close(run.id, Ending("failed", START))
    assert await lost() == ["lost"]
    async with database.transaction() as rows:
        await Executions(rows).reopen(run.id, "undoing")
        await Steps(rows).started(undo)
    assert await lost() == ["lost", "running"]


async def test_lists_are_read_page_by_page_and_miss_nothing_that_was_there(database: Database) -> None:
    deployment = str(uuid.uuid4())
    runs = [a_run(started_at=START + timedelta(seconds=n // 2), deployment_id=deployment) for n in range(7)]
    async with database.transaction() as rows:
        for run in runs:
            await Executions(rows).open(run)
        await Executions(rows).open(a_run())
        mine = ExecutionFilter(deployment_id=deployment)
        seen: list[str] = []
        cursor, total = None, []
        for _ in range(3):
            page = await Executions(rows).page(Page(limit=3, cursor=cursor), mine)
            seen += [run.id for run in page.items]
            cursor = page.next_cursor
            total.append(page.total)
            await Executions(rows).open(a_run(started_at=START + timedelta(days=1), deployment_id=deployment))
        assert cursor is None and total == [7, None, None]
        newest_first = sorted(runs, key=lambda run: (run.started_at, run.id), reverse=True)
        assert seen == [run.id for run in newest_first]
        skipped = await Executions(rows).page(Page(limit=2, offset=8), mine)
        assert [run.id for run in skipped.items] == seen[-2:]


@pytest.mark.parametrize(
    "cursor", ["", "x", "WzFd", "bnVsbA", "W10", "WyJhIiwiYiJd", "ÿ", "WyIyMDI2LTExLTI1IiwiYiJd", "W" * 5000]
)
async def test_a_cursor_that_is_none_is_refused(database: Database, cursor: str) -> None:
    async with database.session() as rows:
        with pytest.raises(BadCursor):
            await Executions(rows).page(Page(cursor=cursor))


@pytest.mark.parametrize(
    "id", ["", "x", "execution/x", "\0", "{" + "3f2c1f0a-5f0e-4b6e-9d1c-2a7f4f1f9b10" + "}"]
)
async def test_what_is_no_id_finds_nothing(database: Database, id: str) -> None:
    async with database.session() as rows:
        assert await Executions(rows).get(id) is None


def test_keys_are_in_the_order_in_which_they_were_made() -> None:
    keys = [uuid7() for _ in range(3)]
    assert all(
        is_uuid(key) and uuid.UUID(key).version == 7 and uuid.UUID(key).variant == uuid.RFC_4122
        for key in keys
    )
    assert all(one[:13] <= other[:13] for one, other in itertools.pairwise(keys))
