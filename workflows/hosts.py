"""Whether a host is there, and the end of what runs on it: what a run does when it hears nothing of one.

A host that answers neither its commands' queue nor its control queue is silent. It is lost only when it has been
silent for `host_lost_after`, by a probe that was sent after that: by then its commands have died of their lease
(RUNNER.md).
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, CancelledError, TimeoutError, TimeoutType

from codeai.workflows import calls
from codeai.workflows.contracts.hosts import HearInput, KillInput, KillResult, ProbeInput, ProbeResult
from codeai.workflows.contracts.queues import control_on

PICKED_UP = timedelta(seconds=60)
"""How long a host has to take a command before it is probed."""
AWAITED = timedelta(minutes=10)
"""How long one probe waits for a host that is never given up: it is taken as soon as the host is back, so that many
short ones would only make the history long."""


def picked_up_within(lost_after: float | None) -> timedelta:
    """How long a host has to take a command; a host that is given up sooner is asked sooner."""
    return PICKED_UP if lost_after is None else min(PICKED_UP, timedelta(seconds=lost_after))


def answered_within(lost_after: float | None) -> timedelta:
    """How long a host has to take a probe."""
    return AWAITED if lost_after is None else min(calls.PROBE, timedelta(seconds=lost_after / 2))


def was_not_taken(error: ActivityError) -> bool:
    """Nobody took the activity in time."""
    cause = error.cause
    return isinstance(cause, TimeoutError) and cause.type is TimeoutType.SCHEDULE_TO_START


async def answer_of(host: str, lost_after: float | None, silent_since: float) -> ProbeResult | None:
    """Probes a host that has been silent since then. Its answer as soon as there is one; None once it is lost. A probe
    that fails there is none that was answered: the host may have no file left to open."""
    probe = calls.PROBE_HOST.on(control_on(host), answered_within(lost_after))
    while True:
        sent = workflow.time()
        try:
            return await probe(ProbeInput())
        except ActivityError as error:
            if isinstance(error.cause, CancelledError):
                raise
            failed = not isinstance(error.cause, TimeoutError)
        if lost_after is not None and sent >= silent_since + lost_after:
            return None
        if failed:
            await asyncio.sleep(min(calls.PROBE, answered_within(lost_after)).total_seconds())


async def end_commands(host: str, lost_after: float | None, given: KillInput) -> KillResult | None:
    """Has a run's commands on a host ended. It answers when they are dead: with how each ended, by the host; None
    where the host is lost, and its commands with it. `lost_after` is the host's (None: it is waited for without
    end). The workers of the host make no difference between runs under way, ended and terminated."""
    kill = calls.KILL_COMMANDS.on(control_on(host), answered_within(lost_after))
    while True:
        try:
            return await kill(given)
        except ActivityError as error:
            if not was_not_taken(error):
                raise
        if await answer_of(host, lost_after, workflow.time()) is None:
            return None


async def hear_cancel(host: str, given: HearInput) -> None:
    """Has a host hear of a command's cancel at once. Nobody depends on it."""
    try:
        await calls.HEAR_CANCEL.on(control_on(host))(given)
    except ActivityError:  # it was a short cut: the command's next heartbeat says the same
        pass
