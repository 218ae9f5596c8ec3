"""A command to a run that has ended: asked for once, however often the request is sent, then awaited."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

import typer

from codeai.cli.client import Api
from codeai.cli.follow import ENDED
from codeai.cli.run import follow_to_end
from codeai.cli.telling import tell
from codeai.cli.terminal import Output, put_line

Detach = Annotated[bool, typer.Option("--detach", help="Of a run that has ended: start it and leave.")]


class Reopening:
    """The same request each time: by its key the API knows what it began."""

    def __init__(self, api: Api, run: str, word: str, body: dict[str, Any]) -> None:
        self._api, self._path = api, f"/executions/{run}/{word}"
        self._body = {name: value for name, value in body.items() if value is not None}
        self._key = {"Idempotency-Key": str(uuid.uuid4())}

    def send(self, *, wait: bool) -> dict[str, Any]:
        told: dict[str, Any] = self._api.ask("POST", self._path, self._body | {"wait": wait}, self._key).body
        return told

    def awaited(self) -> dict[str, Any]:
        """How it ended: `{execution_id, status, result, error, undo_failed}`."""
        while "execution_id" not in (told := self.send(wait=True)):
            pass  # It takes longer than one request may.
        told.pop("completed_at", None)
        return told


def go_on(
    api: Api,
    run: str,
    word: str,
    output: Output,
    *,
    again: str,
    detach: bool,
    source: str | None = None,
    **body: Any,
) -> None:
    """Sends the command `word`, by which a run goes on: one that is under way is told, one that has ended begins again
    and is followed to its end. `again` is what is typed to do it once more, `source` its program where known."""
    known = api.get(f"/executions/{run}")
    if known["status"] not in ENDED:
        tell(api, run, word, output, **body)
        return
    request = Reopening(api, run, word, body)
    told = request.send(wait=False)
    if detach:
        put_line(told["id"], told, output)
        return
    follow_to_end(api, run, output, source, again, since=known["completed_at"], outcome=request.awaited)
