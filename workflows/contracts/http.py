"""A program's `http` as the integration client is asked for it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from codeai.workflows.contracts.base import Contract
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.steps import NO_NOTES, Notes, SecretText, StepBegun


class HttpInput(Contract):
    """One request. Texts with secrets in them are put together where it is sent, and nowhere else."""

    execution_id: str
    step: StepBegun
    method: str
    url: str | SecretText
    headers: dict[str, str | SecretText] = Field(default_factory=dict)
    body: str | SecretText | None = Field(None, description="as it is sent; what was no text is JSON")
    timeout: float = Field(30.0, description="seconds")
    retry: int | None = Field(None, description="attempts after the first; None: the client's policy")
    check: bool = Field(True, description="a status of 400 or more is an error")
    hidden: tuple[str, ...] = Field((), description="secrets of earlier steps: their values are masked, too")
    use_secrets: bool = True
    notes: Notes = NO_NOTES


class HttpResult(Contract):
    """`value` is `{status, headers, body, json}`, secrets masked; or why there was no answer."""

    value: dict[str, Any] | None = None
    error: RunError | None = None
