"""Events of programs: stored once, told to whoever waits, missed by nobody."""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from codeai.activities.changes import Changes
from codeai.activities.compilers import Compilers
from codeai.activities.effects.events import EventEffects
from codeai.activities.publishing import Publishing
from codeai.activities.unsealing import Keys
from codeai.persistence.engine import Database
from codeai.persistence.event_waits import EventWaits
from codeai.persistence.events import Event, Events
from codeai.persistence.pages import Page
from codeai.persistence.steps import Step, Steps
from codeai.workflows.contracts.changes import ChangeInput
from codeai.workflows.contracts.commands import EventArrived
from codeai.workflows.contracts.events import (
    EmitInput,
    EmitResult,
    EventRecord,
    EventStored,
    WaitInput,
    WaitOver,
    WaitResult,
)
from codeai.workflows.contracts.steps import StepBegun
from codeai.workflows.states import step_id
from tests.activities.conftest import Place

RUN = str(uuid.UUID(int=7))


@dataclass
class Runs:
    """Stands for Temporal: what each run was told, which have ended, and whether it answers."""

    told: dict[str, list[EventArrived]] = field(default_factory=lambda: defaultdict(list))
    ended: set[str] = field(default_factory=set)
    away: int = 0

    def get_workflow_handle(self, workflow_id: str) -> Run:
        return Run(self, workflow_id)

    @property
    def place(self) -> ActivityEnvironment:
        return ActivityEnvironment(client=cast(Client, self))

    def steps(self, workflow_id: str) -> list[tuple[int, Any]]:
        return [(one.step, one.event["data"]) for one in self.told[workflow_id]]


@dataclass
class Run:
    runs: Runs
    workflow_id: str

    async def signal(self, name: str, arg: EventArrived, rpc_timeout: timedelta) -> None:
        assert name == "event" and rpc_timeout
        await asyncio.sleep(0)
        if self.runs.away:
            self.runs.away -= 1
            raise RPCError("away", RPCStatusCode.UNAVAILABLE, b"")
        if self.workflow_id in self.runs.ended:
            raise RPCError("ended", RPCStatusCode.NOT_FOUND, b"")
        self.runs.told[self.workflow_id].append(arg)


@pytest.fixture
def runs() -> Runs:
    return Runs()


@pytest.fixture
def effects(database: Database) -> EventEffects:
    return EventEffects(database)


def begun(kind: str, seq: int, run: str = RUN) -> StepBegun:
    return StepBegun(
        step_id=step_id(run, str(seq)), seq=seq, kind=kind, line=2, command=kind, started_at=time.time()
    )


def emitting(seq: int, type: str = "custom.pack", run: str = RUN, **data: Any) -> EmitInput:
    return EmitInput(execution_id=run, workflow_id=run, step=begun("emit", seq, run), type=type, data=data)


def waiting(seq: int, type: str = "custom.pack", run: str = RUN, **where: Any) -> WaitInput:
    return WaitInput(
        execution_id=run,
        workflow_id=run,
        step=begun("wait_event", seq, run),
        type=type,
        where=where,
        since=time.time(),
    )


async def emit(runs: Runs, effects: EventEffects, given: EmitInput) -> EmitResult:
    return await runs.place.run(effects.emit_event, given)


async def wait(runs: Runs, effects: EventEffects, given: WaitInput) -> WaitResult:
    return await runs.place.run(effects.await_event, given)


async def stored(database: Database, type: str | None = None) -> list[Event]:
    async with database.session() as rows:
        return list((await Events(rows).page(Page(), type)).items)


async def open_waits(database: Database, type: str = "custom.pack") -> list[int]:
    async with database.session() as rows:
        return [one.step for one in await EventWaits(rows).for_type(type)]


async def steps(database: Database) -> list[Step]:
    async with database.session() as rows:
        return list((await Steps(rows).of(RUN, Page())).items)


async def test_an_event_is_stored_once_however_often_it_is_emitted(
    runs: Runs, effects: EventEffects, database: Database
) -> None:
    given = emitting(3, rate=2.0)
    first = await emit(runs, effects, given)
    assert await emit(runs, effects, given) == first and first.error is None
    (event,) = await stored(database)
    assert (event.id, event.type, event.source, event.data) == (
        first.id,
        "custom.pack",
        "ExecuteDeployment",
        '{"rate":2.0}',
    )
    assert json.loads(event.about) == {
        "correlation_id": RUN,
        "causation_id": given.step.step_id,
        "depth": 0,
    }
    (step,) = await steps(database)
    assert (step.seq, step.kind, step.status) == (3, "emit", "running")


@pytest.mark.parametrize(
    ("type", "message"),
    [
        ("job.completed", "job.* events are published by the platform alone"),
        ("change.config.created", "change.* events"),
        ("execution.anything", "execution.* events"),
        ("pack", "lower-case words with dots"),
        ("Custom.pack", "lower-case words with dots"),
        ("custom." + "x" * 122, "at most 128 characters"),
    ],
)
async def test_a_type_that_is_not_for_programs_is_a_value_error(
    runs: Runs, effects: EventEffects, database: Database, type: str, message: str
) -> None:
    error = (await emit(runs, effects, emitting(3, type))).error
    assert error is not None and (error.kind, error.line) == ("value_error", 2)
    assert message in error.message
    assert await stored(database) == []
    assert [step.seq for step in await steps(database)] == [3]


async def test_nobody_can_wait_for_what_is_no_type(
    runs: Runs, effects: EventEffects, database: Database
) -> None:
    error = (await wait(runs, effects, waiting(3, "pack"))).error
    assert error is not None and error.kind == "value_error"
    assert await open_waits(database, "pack") == []


async def test_an_event_that_came_before_the_wait_was_written_is_its_answer(
    runs: Runs, effects: EventEffects, database: Database
) -> None:
    await emit(runs, effects, emitting(1, n=1))
    given = waiting(2, n=1)
    made = await emit(runs, effects, emitting(3, n=1.0, more={"a": [1]}))
    for _ in range(2):
        found = (await wait(runs, effects, given)).event
        assert found is not None and (found["id"], found["type"]) == (made.id, "custom.pack")
        assert found["data"] == {"n": 1.0, "more": {"a": [1]}}
        assert set(found) == {"id", "type", "source", "timestamp", "data", "metadata"}
        assert isinstance(found["timestamp"], float)
    assert await open_waits(database) == [] and not runs.told


async def test_a_wait_is_told_of_the_event_that_fits_it(
    runs: Runs, effects: EventEffects, database: Database
) -> None:
    assert await wait(runs, effects, waiting(2, mark="x", a={"n": 5})) == WaitResult()
    await emit(runs, effects, emitting(3, mark="other", a={"n": 5}))
    await emit(runs, effects, emitting(4, "custom.other", mark="x", a={"n": 5}))
    await emit(runs, effects, emitting(5, mark="x", a={"n": 4}))
    assert not runs.told
    await emit(runs, effects, emitting(6, mark="x", a={"n": 5, "more": 1}, b=2))
    assert runs.steps(RUN) == [(2, {"mark": "x", "a": {"n": 5, "more": 1}, "b": 2})]
    await runs.place.run(effects.end_wait, WaitOver(execution_id=RUN, step=2))
    await emit(runs, effects, emitting(7, mark="x", a={"n": 5}))
    assert len(runs.told[RUN]) == 1


async def test_one_event_is_told_to_all_its_waits(
    runs: Runs, effects: EventEffects, database: Database
) -> None:
    others = [str(uuid.uuid4()) for _ in range(40)]
    for run in others:
        await wait(runs, effects, waiting(1, run=run))
    runs.ended = set(others[:3])
    await emit(runs, effects, emitting(3, n=1))
    assert {run for run, told in runs.told.items() if told} == set(others[3:])
    assert len(await open_waits(database)) == 37, "who has ended is not asked again"


async def test_a_wait_takes_the_first_event_by_the_order_in_which_they_were_stored(
    runs: Runs, effects: EventEffects, database: Database
) -> None:
    await wait(runs, effects, waiting(1))
    publishing = Publishing(database)

    async def publish(n: int) -> EventStored:
        event = EventRecord(
            id=str(uuid.uuid4()), type="custom.pack", source="api", timestamp=n, data={"n": n}
        )
        return await runs.place.run(publishing.store_event, event)

    first, second = await publish(2), await publish(1)
    await runs.place.run(publishing.tell_waits, second)
    await runs.place.run(publishing.tell_waits, first)
    assert runs.steps(RUN) == [(1, {"n": 2})] * 2


async def test_an_event_that_was_stored_and_not_told_is_told_by_the_repeat(
    runs: Runs, effects: EventEffects, database: Database
) -> None:
    others = [str(uuid.uuid4()) for _ in range(5)]
    for run in others:
        await wait(runs, effects, waiting(1, run=run))
    runs.away = 2
    given = emitting(3, n=1)
    with pytest.raises(RPCError):
        await emit(runs, effects, given)
    assert sum(map(len, runs.told.values())) == 3, "those who can be told are told"
    late = str(uuid.uuid4())
    assert await wait(runs, effects, waiting(1, run=late)) == WaitResult(), "it was stored before"
    assert (await emit(runs, effects, given)).error is None
    assert all(runs.told[run] for run in others) and not runs.told[late]
    assert len(await stored(database)) == 1


async def test_a_change_is_told_after_it_holds(
    runs: Runs, effects: EventEffects, database: Database, compilers: Compilers, place: Place
) -> None:
    changes = Changes(database, compilers, Keys([]))
    where = place("change/" + str(uuid.uuid4()), "run")
    where._client = cast(Client, runs)
    asked = ChangeInput.model_validate(
        {"kind": "config", "action": "create", "body": {"name": "release", "content": "return 1"}}
    )
    await wait(runs, effects, waiting(1, "change.config.created", kind="config"))
    runs.away = 1
    with pytest.raises(RPCError):
        await where.run(changes.apply_change, asked)
    assert (await where.run(changes.apply_change, asked)).status == 201
    ((step, data),) = runs.steps(RUN)
    assert (step, data["kind"], data["action"]) == (1, "config", "create")
    assert len(await stored(database, "change.config.created")) == 1


@pytest.mark.parametrize("seed", range(3))
async def test_no_event_is_missed_whichever_comes_first(
    runs: Runs, effects: EventEffects, database: Database, seed: int
) -> None:
    """Each of many waits and its event begin at the same moment and are held up by chance."""
    chance = random.Random(seed)

    async def later(work: Any, after: float) -> Any:
        await asyncio.sleep(after)
        return await work

    async def meet(n: int) -> tuple[bool, bool]:
        run = str(uuid.UUID(int=1000 + n))
        wanted, made = waiting(1, run=run, n=n), emitting(2, n=n)
        made = made.model_copy(update={"step": begun("emit", 10_000 + n)})
        at_once = [
            later(wait(runs, effects, wanted), chance.uniform(0, 0.02)),
            later(emit(runs, effects, made), chance.uniform(0, 0.02)),
        ]
        found, _ = await asyncio.gather(*at_once)
        return found.event is not None, bool(runs.told[run])

    met = await asyncio.gather(*(meet(n) for n in range(150)))
    assert [n for n, (found, told) in enumerate(met) if not found and not told] == []
    assert any(found for found, _ in met) and any(told for _, told in met), "both ways were taken"
