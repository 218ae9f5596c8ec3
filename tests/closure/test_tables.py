"""A thing is said once, in a table: every row has its room, and every room its row."""

from __future__ import annotations

from unittest.mock import sentinel

from temporalio import activity, workflow
from temporalio.common import RawValue

from codeai.activities.changes import Changes, kinds
from codeai.activities.checkpoints import CheckpointRecords
from codeai.activities.claims import Claims
from codeai.activities.decisions import Decisions
from codeai.activities.effects.events import EventEffects
from codeai.activities.lanes import Lanes
from codeai.activities.programs import Programs
from codeai.activities.publishing import Publishing
from codeai.activities.reconciling import Reconciling
from codeai.activities.records import Records
from codeai.activities.retention import Retention
from codeai.activities.shell.control import HostControl
from codeai.activities.shell.host import ShellHost
from codeai.dsl.effects import EFFECTS, Performer
from codeai.settings import RetentionSettings
from codeai.workers import registry
from codeai.workflows import calls
from codeai.workflows.contracts.changes import BODIES
from codeai.workflows.contracts.executions import Budget
from codeai.workflows.contracts.kinds import KINDS
from codeai.workflows.effects.table import PERFORMERS


def registered() -> set[str]:
    """The names of every activity that a worker registers."""
    database = sentinel.database
    bound = [
        *Records(database).activities(),
        *CheckpointRecords(database).activities(),
        *Lanes(database, None).activities(),
        *Reconciling(database, None).activities(),
        *Programs(database, sentinel.pool).activities(),
        *Changes(database, sentinel.pool, sentinel.keys).activities(),
        *Decisions((), require_api=False).activities(),
        *EventEffects(database).activities(),
        *Publishing(database).activities(),
        *Claims(database, "host", "spool", Budget(), sentinel.slots, None).activities(),
        *Retention(database, RetentionSettings()).activities(),
        *HostControl(sentinel.desk).activities(),
        ShellHost.run_command,
    ]
    definitions = [activity._Definition.from_callable(one) for one in bound]
    return {one.name for one in definitions if one is not None and one.name is not None}


def test_every_effect_that_leaves_the_machine_has_one_who_performs_it() -> None:
    asked = {
        name
        for name, effect in EFFECTS.items()
        if effect.available and effect.performer is not Performer.MACHINE
    }
    assert asked == set(PERFORMERS)


def test_every_call_is_an_activity_of_a_worker_and_the_other_way_round() -> None:
    assert {call.name for call in calls.CALLS} | {calls.COMMAND} == registered()


def test_every_workflow_of_the_table_is_registered() -> None:
    names = {workflow._Definition.must_from_class(one).name for one in registry.WORKFLOWS}
    assert names == set(KINDS)


def test_every_workflow_answers_the_query_status() -> None:
    for one in registry.WORKFLOWS:
        assert "status" in workflow._Definition.must_from_class(one).queries, one


def test_every_workflow_takes_one_raw_value() -> None:
    """A typed input that does not decode leaves the run stuck for ever (PLATFORM.md, 1)."""
    for one in registry.WORKFLOWS:
        definition = workflow._Definition.must_from_class(one)
        assert definition.arg_types == [RawValue], definition.name
        for update in definition.updates.values():
            assert len(update.arg_types or []) == 1


def test_everything_that_can_be_changed_has_a_body_and_somebody_who_does_it() -> None:
    assert set(kinds(sentinel.compilers, sentinel.keys)) == set(BODIES)
