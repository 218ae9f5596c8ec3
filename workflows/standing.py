"""Where a run stands: whether it waits for somebody, and whether its history has grown too long."""

from __future__ import annotations

from temporalio import workflow

from codeai.dsl.machine import Machine
from codeai.dsl.requests import Request
from codeai.workflows.contracts.executions import Budget, ExecutionStatus
from codeai.workflows.effects.under_way import Effects

LONG = 2.0
"""Seconds of a timer from which a run is said to be waiting."""
EVENTS_OF_ONE = 10
"""More than what one effect under way needs in the history to be taken up."""
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


def is_long_for(effects: Effects) -> bool:
    """Whether the history of a run that stands still has grown long by what was said to it, or by asking for a silent
    host: Temporal takes 2,000 updates and 10,000 signals of one workflow run, and ends one of 51,200 events. What takes
    up the waits and commands in the next one is not counted: that would go on as new again and again."""
    budget, taken_up = effects.run.budget, EVENTS_OF_ONE * len(effects.under_way)
    events = workflow.info().get_current_history_length() - taken_up
    if effects.only_rests:
        return events >= budget.soft_events
    return effects.only_commands and events >= budget.hard_events


def _is_long(request: Request) -> bool:
    seconds = request.arguments.get("duration", LONG)
    return isinstance(seconds, int | float) and seconds >= LONG
