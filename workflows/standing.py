"""Where a run stands: whether it waits for somebody, and whether its history has grown too long."""

from __future__ import annotations

from temporalio import workflow

from codeai.dsl.machine import Machine
from codeai.dsl.requests import Request
from codeai.workflows.contracts.executions import Budget, ExecutionStatus
from codeai.workflows.effects.under_way import Effects

LONG = 2.0
"""Seconds of a timer from which a run is said to be waiting."""
SOFT_JOURNAL, HARD_JOURNAL = 256 * 1024, 512 * 1024
"""Bytes of a journal: it travels with the checkpoint, which has less than 2 MiB (Temporal's largest payload)."""


def where_it_stands(effects: Effects, machine: Machine) -> ExecutionStatus:
    """Parked or waiting where nothing goes on until a person, an event or a clock says so; else running."""
    if machine.is_parked and not effects.under_way:
        return ExecutionStatus.PARKED
    if effects.only_waits and any(map(_is_long, effects.resting.values())):
        return ExecutionStatus.WAITING
    return ExecutionStatus.RUNNING


def is_over_budget(budget: Budget, journal: int, *, hard: bool) -> bool:
    """Whether this workflow run shall continue as new: soon, or before anything else is started."""
    info = workflow.info()
    events, size = info.get_current_history_length(), info.get_current_history_size()
    if hard:
        return events >= budget.hard_events or size >= budget.hard_bytes or journal >= HARD_JOURNAL
    return (
        events >= budget.soft_events
        or size >= budget.soft_bytes
        or journal >= SOFT_JOURNAL
        or info.is_continue_as_new_suggested()
    )


def _is_long(request: Request) -> bool:
    seconds = request.arguments.get("duration", LONG)
    return isinstance(seconds, int | float) and seconds >= LONG
