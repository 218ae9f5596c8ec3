"""Decisions that people send to a run: which approval is meant, and what is noted of it."""

from __future__ import annotations

from temporalio import workflow

from codeai.workflows import calls
from codeai.workflows.contracts.commands import CheckInput, DecideInput, Decision, several
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


async def decide(effects: Effects, given: DecideInput, *, approved: bool) -> DecideInput:
    """Notes a decision; the waiting step takes it. Answers what was decided: which step, by which way. Raises
    ApplicationError: no_approval, which_approval, forbidden."""
    step = _meant(effects, given.step)
    given = given.model_copy(update={"step": step})
    asked = CheckInput(execution_id=effects.run.record.id, approved=approved, decision=given)
    checked = await calls.CHECK_DECISION(asked)
    if checked.refusal is not None:
        raise refused("forbidden", f"step {step} cannot be decided so: {checked.refusal}")
    _meant(effects, step)  # somebody else may have decided meanwhile
    if approved and not open_approval(effects, effects.resting[step])["allow_self"]:
        _must_be_another(effects.run.record.triggered_by, given.by, step)
    effects.decisions[step] = Decision(
        approved=approved, by=given.by, comment=given.comment, at=workflow.time()
    )
    return given.model_copy(update={"via": checked.via})


def _meant(effects: Effects, step: int | None) -> int:
    """The approval that a decision is for. Raises ApplicationError: no_approval, which_approval."""
    waiting = {int(str(one["step"])): str(one["text"]) for one in open_approvals(effects)}
    if step is None and len(waiting) > 1:
        raise refused("which_approval", several(waiting))
    found = step if step is not None else next(iter(waiting), None)
    if found is None or found not in waiting:
        which = "" if step is None else f" at step {step}"
        raise refused("no_approval", f"nothing waits for a decision{which}")
    return found


def _must_be_another(started_by: str | None, by: str | None, step: int) -> None:
    """Raises ApplicationError(forbidden) where who started the run would approve it, or does not say who it is."""
    if by is None:
        raise refused("forbidden", f"step {step} is not for who started the run to approve: say who you are")
    if by == started_by:
        raise refused(
            "forbidden", f"step {step} is for somebody else than {by} to approve, who started the run"
        )
