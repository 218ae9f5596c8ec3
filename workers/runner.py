"""Runs workflow code, but for a query nothing that no workflow task has taken yet.

A query that waits for a worker which has died goes to another one, with all of the history. That may hold what came
meanwhile, for which a workflow task is still on its way. The SDK applies it for the query and keeps the run (seen with
1.35: 20 of 20 runs), so that the task tells it only the rest. Its commands then stand in another order than each replay
gives, which tells all of it at once, and the run never goes on. Here such a query is refused: the SDK forgets the run,
and who asks again is answered.
"""

from __future__ import annotations

from collections.abc import Callable

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails

REFUSAL = "the run has news that it has not taken yet; ask again"


class TaskRunner(UnsandboxedWorkflowRunner):
    """Without Temporal's sandbox, which the replay tests have (tests/workflows/test_replay.py)."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """An instance that only workflow tasks take further."""
        instance = super().create_instance(det)
        instance.activate = Tasks(instance.activate)  # type: ignore[method-assign]  # the other methods' types are private
        return instance


class Tasks:
    """The activations of one run in memory, of which those that no workflow task has brought take it nowhere.

    Each task begins with an event that tells when it did, and how large the history was (`WorkflowTaskStarted`). Where
    the history has become longer and no such event came with it, there is no task. The size alone does not tell: it may
    be that of the task before, where a task begins in the answer to one that was never in the database.
    """

    def __init__(self, activate: Callable[[WorkflowActivation], WorkflowActivationCompletion]) -> None:
        self._activate = activate
        self._length = 0
        self._begin: tuple[int, int, int] | None = None

    def __call__(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """As `WorkflowInstance.activate`."""
        begin = (act.timestamp.seconds, act.timestamp.nanos, act.history_size_bytes)
        if act.history_length > self._length and begin == self._begin and not act.is_replaying:
            refused = WorkflowActivationCompletion()
            refused.failed.failure.message = REFUSAL  # of the query, which would come next
            return refused
        self._length, self._begin = act.history_length, begin
        return self._activate(act)
