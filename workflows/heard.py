"""The commands that a run has been told last, by their ids: one that comes again, in whatever way, has the answer that
it had."""

from __future__ import annotations

from dataclasses import dataclass, field

from temporalio.exceptions import ApplicationError

from codeai.workflows.parked import refused

MOST = 100
"""By then the first has long been answered."""


@dataclass(slots=True)
class Heard:
    """`refusals` has code and message of those that were not taken."""

    words: tuple[str, ...] = ()
    refusals: dict[str, tuple[str, str]] = field(default_factory=dict)

    def is_new(self, word: str) -> bool:
        """Takes a word in, unless it is known. Raises ApplicationError where it was refused before."""
        if word in self.refusals:
            raise refused(*self.refusals[word])
        if word in self.words:
            return False
        self.words = (*self.words, word)[-MOST:]
        return True

    def refuse(self, word: str, error: ApplicationError) -> None:
        """It was not taken, and is not when it comes again."""
        known = {**self.refusals, word: (error.type or "not_running", error.message)}
        self.refusals = {one: known[one] for one in self.words if one in known}
