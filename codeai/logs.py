"""What processes tell about themselves: structlog as JSON or for people, with secrets taken out."""

from __future__ import annotations

import json
import logging
import random
import re
import sys
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import structlog

from codeai.log_context import merged

if TYPE_CHECKING:
    from codeai.settings import LoggingSettings

SENSITIVE = (
    "password",
    "secret",
    "token",
    "api_key",
    "authorization",
    "credential",
    "credit_card",
    "ssn",
    "private_key",
    "access_token",
    "refresh_token",
    "bearer",
)
"""Field names (★) whose values are never shown, at any depth; also as a part of a longer name."""
REDACTED = "***"
DEEPEST = 20
_SENSITIVE = re.compile("|".join(re.escape(name) for name in SENSITIVE))
_IN_TEXT = (
    (re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{8,}"), r"\1***"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), REDACTED),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/@]+@"), r"\1***@"),
)
"""Secrets in free text (★): bearer tokens, JSON web tokens, passwords in URLs."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What could begin a line, or be obeyed by a terminal."""
_JSON = json.JSONEncoder(default=str)
_CONSOLE_WORDS = ("console", "text")


class _Lines(structlog.WriteLogger):
    """Writes lines. That one cannot be written, because a disk is full or a pipe has no reader, stops nobody."""

    def msg(self, message: str) -> None:
        with suppress(OSError, ValueError):
            super().msg(message)

    debug = info = warning = error = exception = critical = msg


def redacted(value: Any, depth: int = 0) -> Any:
    """The value without secrets: those under a sensitive name, and those in its texts."""
    if isinstance(value, str):
        if _is_suspect(value):
            for pattern, instead in _IN_TEXT:
                value = pattern.sub(instead, value)
        return value
    if depth >= DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {
            key: REDACTED if _sensitive(key) else redacted(each, depth + 1) for key, each in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(each, depth + 1) for each in value]
    return value


def escaped(value: Any) -> Any:
    """The value with the control characters of its texts as escapes, so that none makes a line of its own."""
    if isinstance(value, str):
        return (
            value
            if value.isprintable()
            else _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), value)
        )
    if isinstance(value, dict):
        return {escaped(str(key)): escaped(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [escaped(each) for each in value]
    return value


def configure(settings: LoggingSettings, *, process: str) -> None:
    """Sends what structlog and the standard library log to the settings' output, one line an event, each with
    `process`. Raises OSError where the output cannot be opened."""
    output: TextIO = _open(settings.output)
    level = logging.getLevelNamesMapping()[settings.level.replace("warn", "warning").upper()]
    for_people = settings.format in _CONSOLE_WORDS
    place = structlog.processors.CallsiteParameter
    where = (
        [structlog.processors.CallsiteParameterAdder({place.PATHNAME, place.LINENO})]
        if settings.source
        else []
    )
    told: list[Any] = [
        _of_temporal,
        structlog.processors.TimeStamper("iso", utc=True),
        structlog.processors.format_exc_info,
        _naming(process),
        _redact,
        *([_escape] if for_people else []),  # JSON escapes by itself
    ]
    written: Any = structlog.dev.ConsoleRenderer(colors=output.isatty()) if for_people else _as_json
    level_name = structlog.stdlib.add_log_level
    kept = _sampled(settings.sample_rate)
    handler = logging.StreamHandler(output)
    handler.addFilter(lambda record: kept(record.levelname))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*where, merged, level_name, structlog.stdlib.ExtraAdder(), *told],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, written],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Our own lines go the short way: a record of the standard library costs as much as the rest of a line.
    structlog.configure(
        processors=[*where, merged, level_name, _dropping(kept), *told, written],
        logger_factory=lambda *_: _Lines(output),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )


def _is_suspect(text: str) -> bool:
    """Whether a text has about it what all of _IN_TEXT have; few do."""
    return "eyJ" in text or "://" in text or "bearer" in text.lower()


@lru_cache(1024)
def _sensitive(key: object) -> bool:
    return _SENSITIVE.search(str(key).lower().replace("-", "_")) is not None


def _open(output: str) -> TextIO:
    if output in ("stdout", "stderr"):
        stream: TextIO = getattr(sys, output)
        return stream
    return Path(output).open("a", encoding="utf-8", buffering=1)


def _redact(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if not key.startswith("_"):  # structlog's own
            event[key] = REDACTED if _sensitive(key) else redacted(value, 1)
    return event


def _as_json(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    return _JSON.encode(event)


def _escape(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An exception keeps its lines; they are set in, so that none looks like one of ours."""
    told = {escaped(key): each if key.startswith("_") else escaped(each) for key, each in event.items()}
    if isinstance(exception := event.get("exception"), str):
        told["exception"] = "\n".join("    " + escaped(line) for line in exception.splitlines())
    return told


def _of_temporal(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What Temporal's SDK says of a line, as fields like ours."""
    core = event.pop("temporal_log", None)
    if core is not None:
        event["fields"] = dict(core.fields)
        event.setdefault("logger", f"temporalio.{core.target}")
    for about in ("temporal_workflow", "temporal_activity"):
        ids = event.pop(about, None)
        if isinstance(ids, dict):
            for name in ("workflow_id", "run_id", "attempt"):
                if name in ids:
                    event.setdefault(name, ids[name])
    return event


def _naming(process: str) -> Any:
    def name(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("process", process)
        event.setdefault("module", process)
        return event

    return name


def _sampled(rate: float) -> Callable[[str], bool]:
    """Whether a line of that level is kept: of those that warn of nothing a part is."""

    def keep(level: str) -> bool:
        return rate >= 1 or level.lower() not in ("debug", "info") or random.random() < rate  # noqa: S311 (no secret)

    return keep


def _dropping(kept: Callable[[str], bool]) -> Any:
    def drop(_: object, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if not kept(level):
            raise structlog.DropEvent
        return event

    return drop
