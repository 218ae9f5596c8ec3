"""`ChangeRecord`: one create, update or delete of what people configure. The run does the work."""

from __future__ import annotations

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from codeai.workflows import calls
    from codeai.workflows.attributes import describe, describe_status
    from codeai.workflows.contracts.changes import ChangeInput, ChangeResult
    from codeai.workflows.contracts.decoding import NOTHING, InvalidInput, decode
    from codeai.workflows.contracts.kinds import CHANGE_RECORD


@workflow.defn(name=CHANGE_RECORD.type)
class ChangeRecord:
    """Validates, writes, audits. A refusal is a result: what was asked for, and why it was not done."""

    def __init__(self) -> None:
        self.outcome: ChangeResult | None = None
        self.broken: str | None = None

    @workflow.run
    async def run(self, raw: RawValue = NOTHING) -> ChangeResult:
        try:
            asked = decode(raw.payload.data, ChangeInput)
        except InvalidInput as error:
            self.broken = str(error)
            await workflow.wait_condition(workflow.all_handlers_finished)
            raise ApplicationError(
                str(error), {"errors": list(error.errors)}, type="invalid_input", non_retryable=True
            ) from None
        describe(CHANGE_RECORD.type, f"{asked.kind}/{asked.id or 'new'}", asked.triggered_by)
        self.outcome = await calls.APPLY_CHANGE(asked)
        describe_status("failed" if self.outcome.problem else "completed")
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self.outcome

    @workflow.update
    async def apply(self, _raw: RawValue = NOTHING) -> ChangeResult:
        """Waits for the outcome and does nothing: work done in a handler is lost when the server dies before it
        accepted the update. Its id carries the hash of the body."""
        await workflow.wait_condition(lambda: self.outcome is not None or self.broken is not None)
        if self.outcome is None:
            raise ApplicationError(self.broken or "invalid input", type="invalid_input", non_retryable=True)
        return self.outcome

    @workflow.query
    def status(self) -> str:
        if self.outcome is None:
            return "running"
        return "failed" if self.outcome.problem else "completed"
