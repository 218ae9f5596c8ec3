"""The commands that a run has been told last, by their ids: one that comes again, in whatever way, has the answer that
it had."""

from __future__ import annotations

from dataclasses import dataclass, field

from temporalio.exceptions import ApplicationError

from codeai.dsl.brief import brief
from codeai.workflows.parked import refused

MOST = 100
"""By then the first has long been answered."""
MOST_REASON = 2000
"""Characters of a refusal that are kept: it may list a thousand approvals, and a run carries them all on."""


@dataclass(slots=True)
class Heard:
    """`refusals` has code and message of those that were not taken, `bodies` the hashes of what was asked."""

    words: tuple[str, ...] = ()
    refusals: dict[str, tuple[str, str]] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)

    def is_new(self, word: str, body: str | None) -> bool:
        """Takes a word in, unless it is known. Raises ApplicationError where it was refused before, or asked for
        something else (idempotency_key_reused)."""
        if body is not None and self.bodies.get(word, body) != body:
            raise refused("idempotency_key_reused", "this Idempotency-Key was used with another body")
        if word in self.refusals:
            raise refused(*self.refusals[word])
        if word in self.words:
            return False
        self.words = (*self.words, word)[-MOST:]
        known = self.bodies if body is None else {**self.bodies, word: body}
        self.bodies = {one: known[one] for one in self.words if one in known}
        return True

    def refuse(self, word: str, error: ApplicationError) -> None:
        """It was not taken, and is not when it comes again."""
        known = {**self.refusals, word: (error.type or "not_running", brief(error.message, MOST_REASON))}
        self.refusals = {one: known[one] for one in self.words if one in known}
