"""The error of a run, as programs, results, rows and the API show it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from codeai.workflows.contracts.base import Contract


class RunError(Contract):
    """Why a run or a step failed. `kind` is one of the language's kinds (LANGUAGE.md, 6)."""

    kind: str
    message: str
    line: int | None = None
    exit_code: int | None = None
    stderr: str | None = None
    errors: tuple[Any, ...] | None = Field(None, description="of a parallel that collects, in item order")
    details: tuple[Any, ...] | None = Field(None, description="of invalid_input: every field's error")
