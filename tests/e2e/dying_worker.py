"""A worker that dies at once when it has done a certain activity: its workflow task is lost, if that is not over."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    Worker,
)

from codeai.cli.main import main


class Dying(Interceptor, ActivityInboundInterceptor):
    """`trap` has the activity's name and a text of its input; it is there until the worker has died of it."""

    def __init__(self, trap: Path) -> None:
        self.trap = trap

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        self.next = next
        made = Dying(self.trap)
        ActivityInboundInterceptor.__init__(made, next)
        return made

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        done = await self.next.execute_activity(input)
        if self.trap.exists():
            name, text = self.trap.read_text().split(" ", 1)
            if activity.info().activity_type == name and text in repr(input.args):
                self.trap.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
        return done


def trapped(trap: Path) -> None:
    """Every worker of this process has the trap."""
    begin = Worker.__init__

    def begin_trapped(self: Worker, *given: Any, **more: Any) -> None:
        begin(self, *given, **more, interceptors=[Dying(trap)])

    Worker.__init__ = begin_trapped  # type: ignore[method-assign]


if __name__ == "__main__":
    trapped(Path(sys.argv[1]))
    sys.argv = ["codeai", *sys.argv[2:]]
    main()
