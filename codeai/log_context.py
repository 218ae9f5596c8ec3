"""What stands on every log line about what is being done: ids, operation, entity. It follows a task and those that it
begins."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar, Token
from typing import Any

_CONTEXT: ContextVar[Mapping[str, Any]] = ContextVar("log_context", default={})  # noqa: B039 (never changed)


def context() -> Mapping[str, Any]:
    """What is said just now."""
    return _CONTEXT.get()


def bind(**about: Any) -> None:
    """Says this as well, until the task ends."""
    _CONTEXT.set({**_CONTEXT.get(), **about})


class bound:  # noqa: N801 (used as a function)
    """Says this as well during a block; what is bound in it ends with it, too."""

    __slots__ = ("_about", "_before")

    def __init__(self, **about: Any) -> None:
        self._about = about

    def __enter__(self) -> None:
        self._before: Token[Mapping[str, Any]] = _CONTEXT.set({**_CONTEXT.get(), **self._about})

    def __exit__(self, *_: object) -> None:
        _CONTEXT.reset(self._before)


def merged(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The event with the context; what it says itself counts."""
    for name, value in _CONTEXT.get().items():
        event.setdefault(name, value)
    return event
