"""Open approvals, read from the rows of runs and steps."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from codeai.persistence.approvals import Approvals, _read
from codeai.persistence.engine import Database
from codeai.persistence.executions import Executions
from codeai.persistence.pages import Page
from codeai.persistence.steps import NewStep, Steps
from tests.persistence.test_executions import START, a_run


def asking(execution_id: str, seq: int, **arguments: object) -> NewStep:
    return NewStep(
        id=str(uuid.uuid4()),
        execution_id=execution_id,
        seq=seq,
        kind="approve",
        line=seq * 10,
        attempt=1,
        command=f"go on with {seq}?",
        started_at=START + timedelta(seconds=seq),
        arguments=json.dumps(arguments),
    )


async def test_what_waits_for_a_decision_is_listed_over_all_runs(database: Database) -> None:
    one, other = a_run(status="waiting"), a_run(status="paused")
    steps = [asking(one.id, 1), asking(other.id, 2, role="editor", deadline=START.timestamp() + 60)]
    decided, of_the_ended = asking(one.id, 3), a_run(status="failed")
    async with database.transaction() as rows:
        for run in (one, other, of_the_ended):
            await Executions(rows).open(run)
        for step in (*steps, decided, asking(of_the_ended.id, 4)):
            await Steps(rows).started(step)
        await Steps(rows).ended(decided.id, 1, "succeeded", completed_at=START + timedelta(seconds=9))
    async with database.session() as rows:
        newest, oldest = (await Approvals(rows).open(Page())).items
        assert (oldest.execution_id, oldest.step, oldest.line) == (one.id, 1, 10)
        assert (oldest.role, oldest.deadline, oldest.asked_at) == (None, None, START + timedelta(seconds=1))
        assert (newest.execution_id, newest.text, newest.role) == (other.id, "go on with 2?", "editor")
        assert newest.deadline == START + timedelta(seconds=60)
        first = await Approvals(rows).open(Page(limit=1))
        again = await Approvals(rows).open(Page(limit=1, cursor=first.next_cursor))
        assert (first.items, again.items) == ((newest,), (oldest,))
        assert await Approvals(rows).open_of(one.id) == [oldest]


async def test_the_list_reads_the_index_of_open_approvals_only(database: Database) -> None:
    asked = _read().compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    async with database.transaction() as rows:
        await rows.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join((await rows.execute(text(f"EXPLAIN {asked}"))).scalars())
    assert "ix_execution_steps_open_approvals" in plan
