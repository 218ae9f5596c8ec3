"""Runs workflow code so that a query changes nothing of how it runs.

With 1.35 the SDK lets a query come in between in two ways, and what a run does then stands in its history in another
order than each replay gives, so that the run never goes on (docs/decisions/0007-a-question-takes-no-run-further.md):

- A query that waits for a worker which has died goes to another one, with all of the history. What came meanwhile, for
  which a workflow task is still on its way, is applied for the query, and the task tells the run only the rest.
- A query that comes with a workflow task is asked while the task's local activities run. Its answer ends the task, also
  where one of them has its result in the history by then but has not told the run.
"""

from __future__ import annotations

from collections.abc import Callable

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails

REFUSAL = "the run has news that it has not taken yet; ask again"
ALONE = "legacy_query"
"""The id of a query that comes without a workflow task; who asks has to be answered or refused."""


class QuietRunner(UnsandboxedWorkflowRunner):
    """Without Temporal's sandbox, which the replay tests have (tests/workflows/test_replay.py)."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """An instance that only workflow tasks take further."""
        instance = super().create_instance(det)
        instance.activate = Activations(instance.activate)  # type: ignore[method-assign]  # the others' types are private
        return instance


class Activations:
    """The activations of one run in memory.

    One that no workflow task has brought fails: the SDK refuses the query and forgets the run, and who asks again is
    answered. It is known by the history, which has become longer without the event that begins a task
    (`WorkflowTaskStarted`): that would have told another time. The history's size alone does not tell: it may be that
    of the task before, where a task begins in the answer to one that was never in the database.

    Queries of a task whose local activities run are left without an answer: Temporal then asks once more by itself.
    """

    def __init__(self, activate: Callable[[WorkflowActivation], WorkflowActivationCompletion]) -> None:
        self._activate = activate
        self._length = 0
        self._begun: tuple[int, int, int] | None = None
        self._local: set[int] = set()

    def __call__(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """As `WorkflowInstance.activate`."""
        begun = (act.timestamp.seconds, act.timestamp.nanos, act.history_size_bytes)
        completion = WorkflowActivationCompletion()
        if not act.is_replaying and act.history_length > self._length and begun == self._begun:
            completion.failed.failure.message = REFUSAL
            return completion
        self._length, self._begun = act.history_length, begun
        asked = [job.query_workflow.query_id for job in act.jobs if job.HasField("query_workflow")]
        if self._local and asked and ALONE not in asked:
            completion.successful.SetInParent()
            return completion
        completion = self._activate(act)
        self._local -= {job.resolve_activity.seq for job in act.jobs if job.HasField("resolve_activity")}
        commands = completion.successful.commands
        self._local |= {
            command.schedule_local_activity.seq
            for command in commands
            if command.HasField("schedule_local_activity")
        }
        return completion
