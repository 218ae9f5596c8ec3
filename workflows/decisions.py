"""Decisions that people send to a run: which approval is meant, and what is noted of it."""

from __future__ import annotations

from temporalio import workflow

from codeai.workflows.contracts.commands import Answered, DecideInput, Decision
from codeai.workflows.effects.approvals import open_approval
from codeai.workflows.effects.under_way import Effects
from codeai.workflows.parked import refused


def open_approvals(effects: Effects) -> list[dict[str, object]]:
    """The approvals that nobody has decided yet, for people."""
    return [
        open_approval(effects, request)
        for step, request in sorted(effects.resting.items())
        if request.effect == "approve" and step not in effects.decisions
    ]


def decide(effects: Effects, given: DecideInput, *, approved: bool) -> Answered:
    """Notes a decision; the waiting step takes it. Raises ApplicationError: no_approval, which_approval, forbidden."""
    waiting = {request["step"]: request for request in open_approvals(effects)}
    if given.step is None and len(waiting) > 1:
        told = "; ".join(f"step {step}: {request['text']}" for step, request in waiting.items())
        raise refused("which_approval", f"several approvals are open, name the step: {told}")
    step = given.step if given.step is not None else next(iter(waiting), None)
    if step not in waiting:
        which = "" if given.step is None else f" at step {given.step}"
        raise refused("no_approval", f"nothing waits for a decision{which}")
    assert isinstance(step, int)
    if approved and not waiting[step]["allow_self"]:
        _must_be_another(effects.run.record.triggered_by, given.by, step)
    effects.decisions[step] = Decision(
        approved=approved, by=given.by, comment=given.comment, at=workflow.time()
    )
    return Answered(status="approved" if approved else "rejected", step=step)


def _must_be_another(started_by: str | None, by: str | None, step: int) -> None:
    """Raises ApplicationError(forbidden) where who started the run would approve it, or does not say who it is."""
    if by is None:
        raise refused("forbidden", f"step {step} is not for who started the run to approve: say who you are")
    if by == started_by:
        raise refused(
            "forbidden", f"step {step} is for somebody else than {by} to approve, who started the run"
        )
