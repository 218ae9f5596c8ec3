"""Runs workflow code so that a query changes nothing of how it runs.

With 1.35 the SDK lets a query come in between in two ways, and what a run does then stands in its history in another
order than each replay gives, so that the run never goes on (docs/decisions/0007-a-question-takes-no-run-further.md):

- A query that waits for a worker which has died goes to another one, with all of the history. What that holds, and no
  workflow task of this worker has brought, is applied for the query, and the next task tells the run only the rest.
- A query that comes with a workflow task is asked while the task's local activities run. Its answer ends the task, also
  where one of them has its result in the history by then but has not told the run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowInstance, WorkflowInstanceDetails

ALONE = "legacy_query"
"""The id of a query that comes without a workflow task; who asks has to be answered."""


class QuietRunner(UnsandboxedWorkflowRunner):
    """Without Temporal's sandbox, which the replay tests have (tests/workflows/test_replay.py)."""

    def __init__(self) -> None:
        self._worker: Worker | None = None

    def serve(self, worker: Worker) -> None:
        """Has to be told whose runner it is before that runs."""
        self._worker = worker

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """An instance that only workflow tasks take further."""
        instance = super().create_instance(det)
        forget = partial(self._forget, det.info.run_id)
        instance.activate = Activations(instance.activate, forget)  # type: ignore[method-assign]  # the others' types are private
        return instance

    def _forget(self, run_id: str) -> None:
        assert self._worker is not None
        # The SDK has no public name for it yet.
        self._worker._bridge_worker.request_workflow_eviction(run_id)


class Activations:
    """The activations of one run in memory.

    A query that comes alone may have brought the news before it itself: that is not told. So it is with the first news
    of a run that was taken up from its history, and with such for which no workflow task has begun: the history has
    become longer without the event that begins one (`WorkflowTaskStarted`), which would have told another time. The
    query is answered, and the SDK forgets the run: whoever is next to work with it has it from its history.

    Queries of a task whose local activities run are left without an answer: Temporal then asks once more by itself.
    """

    def __init__(
        self,
        activate: Callable[[WorkflowActivation], WorkflowActivationCompletion],
        forget: Callable[[], None],
    ) -> None:
        self._activate = activate
        self._forget = forget
        self._length = 0
        self._begun: tuple[int, int, int] | None = None
        self._is_new = True
        self._is_doubtful = False
        self._local: set[int] = set()

    def __call__(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """As `WorkflowInstance.activate`."""
        asked = [job.query_workflow.query_id for job in act.jobs if job.HasField("query_workflow")]
        if not asked:
            self._look_at(act)
        elif ALONE in asked:
            if self._is_doubtful:
                self._forget()
        elif self._local:
            completion = WorkflowActivationCompletion()
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

    def _look_at(self, act: WorkflowActivation) -> None:
        """Whether what it brings may have come with a query."""
        begun = (act.timestamp.seconds, act.timestamp.nanos, act.history_size_bytes)
        if not act.is_replaying and act.history_length > self._length:
            self._is_doubtful = self._is_new or begun == self._begun
            self._is_new = False
        self._length, self._begun = act.history_length, begun
