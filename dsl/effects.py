"""The effects: what a program can ask of the world, said once (★).

Checker, machine, workflow, plan, editor and documentation read this table. An effect's arguments reach the
performer by name, defaults filled in; `exec` and its `undo` have their shell text and variables beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Performer(StrEnum):
    """Who answers an effect."""

    MACHINE = "machine"  # fail: never leaves it
    WORKFLOW = "workflow"  # answered in workflow code: timers, signals, deterministic values
    RECORD = "record"  # an activity that writes to the database
    HOST = "host"  # a command on the run's host
    CLIENT = "client"  # the integration client
    CHILD = "child"  # a workflow of its own


class Kind(StrEnum):
    """What an option takes. A duration is a number of seconds or text such as "1h30m"; text also takes an exec
    result, which stands for its stdout."""

    ANY = "any"
    BOOL = "bool"
    COUNT = "count"  # an integer, not negative
    POSITIVE = "positive"  # an integer from 1
    DURATION = "duration"
    TEXT = "text"
    MAP = "map"
    ARRAY = "array"


@dataclass(frozen=True, slots=True)
class Option:
    """One argument. `required` ones have no default; `words` are the only values allowed; `most` the largest
    number (for durations: seconds)."""

    name: str
    kind: Kind
    default: object = None
    required: bool = False
    words: tuple[str, ...] = ()
    most: float | None = None
    help: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect. `positional` says how many of `options` may stand by position (in order). An effect that is
    not `available` is refused by the checker with a message that says so."""

    name: str
    options: tuple[Option, ...]
    result: str
    performer: Performer
    positional: int = 0
    available: bool = True
    help: str = ""


def _option(name: str, kind: Kind, default: object = None, **more: object) -> Option:
    return Option(name, kind, default, **more)  # type: ignore[arg-type]


def _needed(name: str, kind: Kind, **more: object) -> Option:
    return Option(name, kind, None, True, **more)  # type: ignore[arg-type]


KIB = 1024

EXEC_OPTIONS = (
    _option("timeout", Kind.DURATION, 600.0, help="counts from the command's start"),
    _option("retry", Kind.COUNT, 0, help="attempts after the first"),
    _option("backoff", Kind.DURATION, 1.0, help="before the second attempt; doubled each time, at most 1m"),
    _option("check", Kind.BOOL, True, help="a non-zero exit is an error"),
    _option("cwd", Kind.TEXT, None, help="a folder inside the workspace"),
    _option("grace", Kind.DURATION, 10.0, most=300.0, help="between SIGTERM and SIGKILL"),
    _option("env", Kind.MAP, None, help="adds to the variables and wins; null removes one"),
    _option("files", Kind.MAP, None, help="name -> text, written to $CODEAI_FILES/<name>"),
    _option("queue", Kind.TEXT, None, help="which runners"),
    _option("capture", Kind.POSITIVE, 64 * KIB, most=256 * KIB, help="bytes of each output kept"),
    _option("on_lost", Kind.TEXT, "fail", words=("fail", "rerun"), help="when the host died in mid-command"),
)
UNDO_OPTIONS = (
    _option("timeout", Kind.DURATION, 600.0),
    _option("retry", Kind.COUNT, 2),
    _option("backoff", Kind.DURATION, 1.0),
    _option("when", Kind.TEXT, "always", words=("always", "succeeded")),
    _option("cwd", Kind.TEXT, None, help="default: the exec's"),
    _option("env", Kind.MAP, None, help="default: the exec's"),
)
PARALLEL_OPTIONS = (
    _option(
        "limit",
        Kind.POSITIVE,
        16,
        help="how many run at once; of a whole run at most 800, which nested ones share",
    ),
    _option("on_error", Kind.TEXT, "stop", words=("stop", "collect")),
)

HTTP_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_ROWS = (
    Effect("exec", EXEC_OPTIONS, "an exec result", Performer.HOST, help="runs a shell command"),
    Effect("sleep", (_needed("duration", Kind.DURATION),), "null", Performer.WORKFLOW, 1, help="waits"),
    Effect(
        "approve",
        (
            _needed("text", Kind.TEXT),
            _option("timeout", Kind.DURATION),
            _option("role", Kind.TEXT),
            _option("allow_self", Kind.BOOL, True),
            _option("check", Kind.BOOL, True),
        ),
        "{approved, by, comment, at}",
        Performer.WORKFLOW,
        1,
        help="waits for a person's decision",
    ),
    Effect(
        "wait_event",
        (
            _needed("type", Kind.TEXT),
            _option("where", Kind.MAP, None),
            _option("timeout", Kind.DURATION),
        ),
        "the event",
        Performer.RECORD,
        1,
        help="waits for a platform event",
    ),
    Effect(
        "emit",
        (_needed("type", Kind.TEXT), _option("data", Kind.MAP, None)),
        "the event's id",
        Performer.RECORD,
        2,
        help="publishes an event",
    ),
    Effect(
        "http",
        (
            _needed("method", Kind.TEXT, words=HTTP_METHODS),
            _needed("url", Kind.ANY, help="http or https, of the public internet; may have secrets in it"),
            _option("body", Kind.ANY, help="text as it is; all else is sent as JSON"),
            _option("headers", Kind.MAP, help="name -> text, number or secret; null leaves one out"),
            _option("timeout", Kind.DURATION, 30.0, help="for the whole answer; each attempt has as much"),
            _option(
                "retry",
                Kind.COUNT,
                None,
                help="attempts after the first, whatever the method, where no answer or status 408, 425, 429 or 5xx "
                "came; without it two, and only where repeating is safe: not for POST and PATCH, unless the headers "
                "have an Idempotency-Key",
            ),
            _option("check", Kind.BOOL, True, help="a status of 400 or more is an error"),
        ),
        "{status, headers, body, json}",
        Performer.CLIENT,
        2,
        help="sends a request; `headers` by lower-case names, `json` is null where the body is none",
    ),
    Effect(
        "agent",
        (
            _needed("prompt", Kind.TEXT),
            _option("model", Kind.TEXT),
            _option("system", Kind.TEXT),
            _option("tools", Kind.ARRAY),
            _option("schema", Kind.MAP),
            _option("timeout", Kind.DURATION),
        ),
        "{text, json, usage}",
        Performer.CLIENT,
        1,
        available=False,
        help="calls an AI agent",
    ),
    Effect(
        "run",
        (
            _needed("config", Kind.TEXT),
            _option("inputs", Kind.MAP),
            _option("version", Kind.POSITIVE),
        ),
        "its result",
        Performer.CHILD,
        1,
        help="runs another config",
    ),
    Effect(
        "job",
        (_needed("type", Kind.TEXT), _option("payload", Kind.ANY), _option("queue", Kind.TEXT)),
        "the job's id",
        Performer.CHILD,
        2,
        available=False,
        help="submits a job",
    ),
    Effect(
        "secret",
        (_needed("name", Kind.TEXT),),
        "a handle",
        Performer.MACHINE,
        1,
        help="a handle on a stored secret",
    ),
    Effect(
        "log",
        (
            _option("level", Kind.TEXT, "info", words=("debug", "info", "warn", "warning", "error")),
            _needed("text", Kind.ANY),
        ),
        "null",
        Performer.RECORD,
        2,
        help="a line in the run's log: log(text) or log(level, text)",
    ),
    Effect("now", (), "seconds since 1970", Performer.WORKFLOW, help="the time, the same on resume"),
    Effect("uuid", (), "a UUID", Performer.WORKFLOW, help="a random UUID, the same on resume"),
    Effect("random", (), "a float in [0, 1)", Performer.WORKFLOW, help="the same on resume"),
    Effect("fail", (_needed("error", Kind.ANY),), "never returns", Performer.MACHINE, 1, help="fails"),
    Effect(
        "set_status", (_needed("text", Kind.TEXT),), "null", Performer.WORKFLOW, 1, help="the status line"
    ),
)

EFFECTS: dict[str, Effect] = {effect.name: effect for effect in _ROWS}
