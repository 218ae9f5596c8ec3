"""Whether a decision came by the API: its signature says so, not what the decision says of itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from temporalio import activity

from codeai.signing import is_signed
from codeai.workflows.contracts.commands import Checked, CheckInput

LASTS = 24 * 3600.0
"""Seconds that a signed decision counts: it waits as a signal while no worker answers."""
AHEAD = 300.0
"""Seconds that the clock of the API may be ahead."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """`public_keys` show what the API has signed; with `require_api` nothing else counts."""

    public_keys: tuple[str, ...]
    require_api: bool

    @activity.defn(name="check_decision")
    async def check_decision(self, given: CheckInput) -> Checked:
        return self.checked(given, time.time())

    def checked(self, given: CheckInput, now: float) -> Checked:
        """By which way it came, or why it does not count."""
        decision = given.decision
        if decision.signature is None:
            if self.require_api:
                return _refused(
                    "decisions of this platform are taken by its API alone (approvals.require_api)"
                )
            # Where the API signs, what is not signed did not come by it.
            return Checked(via="temporal" if self.public_keys else decision.via)
        if not self.public_keys:
            return Checked(via=decision.via)
        if not is_signed(self.public_keys, given.execution_id, decision, approved=given.approved):
            return _refused(
                "its signature is not the API's for this decision; if it should be, the workers need the API's "
                "public key (approvals.public_key)"
            )
        if not now - LASTS <= (decision.signed_at or 0) <= now + AHEAD:
            return _refused("it was signed over a day ago: decide again")
        return Checked(via="api")

    def activities(self) -> list[Callable[..., Any]]:
        return [self.check_decision]


def _refused(why: str) -> Checked:
    return Checked(refusal=why)
