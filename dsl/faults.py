"""An error of the program on its way to the nearest `try`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codeai.dsl.values import ErrorValue

KINDS = (
    "exec_failed",
    "timeout",
    "lost",
    "rejected",
    "http_failed",
    "failed",
    "type_error",
    "name_error",
    "index_error",
    "key_error",
    "value_error",
    "division_by_zero",
    "limit",
    "cancelled",
    "invalid_input",
    "not_found",
    "undone",
)
"""Every kind of error that a program can meet (LANGUAGE.md, 6)."""

NOT_CAUGHT = frozenset({"limit", "cancelled"})


class Fault(Exception):
    """Raised by operators, built-ins and the machine. `line` is filled in by who knows it; `error` is an
    error value that is passed on unchanged."""

    def __init__(
        self, kind: str, message: str, line: int | None = None, error: ErrorValue | None = None
    ) -> None:
        super().__init__(message)
        self.kind, self.message, self.line, self.error = kind, message, line, error


def type_fault(message: str) -> Fault:
    return Fault("type_error", message)


def value_fault(message: str) -> Fault:
    return Fault("value_error", message)
