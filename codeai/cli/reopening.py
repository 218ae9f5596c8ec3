"""A command to a run that has ended: asked for once, however often the request is sent, then awaited."""

from __future__ import annotations

import uuid
from typing import Any

from codeai.cli.client import Api


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
