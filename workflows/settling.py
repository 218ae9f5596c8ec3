"""What a workflow decides, and whether its history has it yet.

A workflow task whose worker dies is done again, and then it may begin with commands that came meanwhile, have its
updates in another order, or have lost them with the server. What local activities wrote in it stays. So what follows
of a decision that such a task could take otherwise is written by ordinary activities, which are sent with the task or
not at all, until the answer of one shows that the task is in the history.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception


class Settling:
    """Base of a workflow that decides by what it is told. It counts in the order of its handlers and of the answers
    that it gets, so a replay counts alike; one that continued as new begins with nothing open."""

    def __init__(self) -> None:
        self.decided = 0
        self.settled = 0

    def decide(self) -> int:
        """Something was decided just now: its number, for `is_settled`."""
        self.decided += 1
        return self.decided

    def is_settled(self, number: int) -> bool:
        return self.settled >= number

    def settle(self, number: int) -> None:
        """Something came back that was sent with the decision of that number, or after it."""
        self.settled = max(self.settled, number)


def may_write_at_once() -> bool:
    """Whether the history has all that this workflow has decided."""
    own = workflow.instance()
    return not isinstance(own, Settling) or own.is_settled(own.decided)


@contextmanager
def sending() -> Iterator[None]:
    """Around an ordinary activity, from its start to its answer: what was decided before it is settled after it."""
    own = workflow.instance()
    sent = own.decided if isinstance(own, Settling) else 0
    try:
        yield
    except ActivityError as error:
        if isinstance(own, Settling) and not is_cancelled_exception(error):  # let go of, nothing came back
            own.settle(sent)
        raise
    if isinstance(own, Settling):
        own.settle(sent)
