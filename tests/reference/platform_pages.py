"""The pages on the platform: settings, problems, permissions, task queues and calls."""

from __future__ import annotations

import inspect
from contextlib import nullcontext
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import Route
from temporalio.common import RetryPolicy

from codeai.api.app import ROUTERS, assemble
from codeai.api.dependencies import Gate
from codeai.api.problems import MEDIA_TYPE, PROBLEMS
from codeai.dsl.limits import EFFECT_RESULT
from codeai.metrics import CONSTANT, METRICS
from codeai.observing import Observing
from codeai.settings import IGNORED, ROWS, SECTIONS, Settings, shown
from codeai.settings_rows import Row
from codeai.settings_values import duration as read_duration
from codeai.settings_values import never_or_duration
from codeai.workflows import calls
from codeai.workflows.contracts.event_types import FAMILIES, naming
from codeai.workflows.contracts.kinds import KINDS, TASK_TIMEOUT
from codeai.workflows.contracts.permissions import ROLES, allows, permissions_of
from codeai.workflows.contracts.queues import TASK_QUEUES
from tests.reference.markdown import code, duration, size, table


def settings() -> str:
    """Every setting, by section."""
    parts = [
        "How a platform is set up. A value in the environment wins over one in the file `config/<CODEAI_ENV>.yaml` (or "
        "the one\nthat `--config` names), and that over the default; `codeai config show` prints what is in force and "
        "where it came from.\n\n"
        "In the file a setting stands by its key in its section. Durations are written `100ms`, `60s`, `5m`, `1h` or "
        "`7d`, lists\nwith commas between their parts (paths: with colons). Where several names are given, the first "
        "that is set wins.\n"
    ]
    defaults = {path: value for path, value, _ in shown(Settings())}
    for section, shape in SECTIONS.items():
        about = inspect.getdoc(shape) or ""
        rows = [
            (code(row.key), _names(row), code(_default(row, defaults[row.path])), _about(row))
            for row in ROWS
            if row.section == section
        ]
        parts += [
            f"## {section}\n\n{about}\n",
            table(("setting", "environment", "default", "what it is"), rows),
        ]
    parts += [
        "## Without use\n\nThese names are known and have no effect any more.\n",
        table(("environment", "why"), ((code(name), why) for name, why in IGNORED.items())),
    ]
    return "\n".join(parts)


def _names(row: Row) -> str:
    names = [*row.names, *(f"{name}_FILE" for name in row.names if row.from_file)]
    return ", ".join(map(code, names))


def _about(row: Row) -> str:
    return row.help + ("; never shown" if row.secret else "")


def _default(row: Row, text: str) -> str:
    """As `codeai config show` prints it, but durations with their unit."""
    if row.read in (read_duration, never_or_duration) and isinstance(row.default, float):
        return duration(row.default)
    return text.lower() if isinstance(row.default, bool) else text


def problems() -> str:
    """Every problem of the API."""
    return (
        f"What the API answers when it refuses a request: an RFC 9457 document (`{MEDIA_TYPE}`) with `status`,\n"
        "`title`, `code`, `detail` and `request_id`. Decide by the `code`; the `detail` is for people and says what "
        "to do.\n\n"
        "With `errors` it lists the fields that do not fit, with `diagnostics` what is wrong with a program. *Retry "
        "after* is\nsent as the header `Retry-After`.\n\n"
    ) + table(
        ("code", "status", "title", "retry after"),
        (
            (
                code(name),
                str(row.status),
                row.title,
                f"{row.retry_after}s" if row.retry_after is not None else "",
            )
            for name, row in PROBLEMS.items()
        ),
    )


def permissions() -> str:
    """What every role permits and every route needs."""
    roles = [
        (
            code(name),
            " ".join(code(one) for one in sorted(role.permissions)),
            ", ".join(map(code, role.inherits)),
        )
        for name, role in ROLES.items()
    ]
    return (
        "What each route of the API needs. A token carries roles, permissions, or both; `*` in a permission stands for "
        "every\nresource or every action. `codeai token create --role editor` makes one.\n\n"
        "## Roles\n\n"
        + table(("role", "permissions", "inherits"), roles)
        + "\n## Routes\n\n"
        + table(("method", "path", "permission", "roles", "what it does"), _routes())
        + "\n## Open to everybody\n\nThese describe the API itself: "
        + ", ".join(code(path) for path in _described_at())
        + ".\n"
    )


def _described_at() -> list[str]:
    """The paths that no router has: the API's description."""
    nothing: Any = nullcontext  # the parts are opened when an application starts, which this one never does
    return [
        one.path
        for one in assemble(nothing, Observing.by(Settings(), "api"), ()).routes
        if isinstance(one, Route) and not isinstance(one, APIRoute)
    ]


def _routes() -> list[tuple[str, str, str, str, str]]:
    rows = []
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute), route
            needed = permissions_needed(route)
            about = (inspect.getdoc(route.endpoint) or "").replace("\n", " ")
            rows.append(
                (
                    " ".join(sorted(route.methods or ())),
                    code(route.path),
                    "none" if needed is None else " and ".join(map(code, needed)) or "any token",
                    "" if not needed else ", ".join(_roles_with(needed)),
                    about,
                )
            )
    return rows


def permissions_needed(route: APIRoute) -> tuple[str, ...] | None:
    """What a caller of the route must be permitted; None where nobody is asked for a token."""
    gates = [one.call for one in route.dependant.dependencies if isinstance(one.call, Gate)]
    return tuple(one for gate in gates for one in gate.permissions) if gates else None


def _roles_with(needed: tuple[str, ...]) -> list[str]:
    return [name for name in ROLES if all(allows(permissions_of([name], ROLES), one) for one in needed)]


def metrics() -> str:
    """Every metric of ours."""
    return (
        "What a platform counts for Prometheus, besides the figures of Temporal's client (`temporal_*`). The API tells "
        "them at\n`/metrics`, each worker at a port of its own (`CODEAI_METRICS_PORT`); see "
        "[watching a platform](../watching.md).\n\nEach has the labels "
        + ", ".join(map(code, CONSTANT))
        + " as well. `path` is the template of a route, `table` one of ours, and\n`workflow_name` a type of workflow: "
        "there are only so many.\n\n"
        + table(
            ("metric", "type", "labels", "told by", "what it is"),
            (
                (code(name), row.kind, ", ".join(map(code, row.labels)), row.told_by, row.help)
                for name, row in METRICS.items()
            ),
        )
    )


def events() -> str:
    """The platform's own types, and how others may name theirs."""
    families = [
        (
            code(f"{name}.*"),
            ", ".join(code(f"{name}.{last}") for last in family.types),
            family.help,
            ", ".join(map(code, family.by)),
            "yes" if family.available else "not yet",
        )
        for name, family in FAMILIES.items()
    ]
    return (
        "What happened, stored before anybody is told. An event is `{id, type, source, timestamp, data, metadata}`; "
        "its metadata\nhas `correlation_id` (what all began with), `causation_id` (what caused it) and `depth` (how "
        "many events led to it).\n\n"
        "## Your own\n\n"
        "Programs publish by `emit`, people by `codeai events publish` and `POST /events`.\n"
        f"{naming().capitalize()}.\nThe data is a map of at most {size(EFFECT_RESULT.most)}.\n\n"
        "## The platform's own\n\nTypes that begin so are published by the platform alone.\n\n"
    ) + table(("family", "types", "when", "by", "available"), families)


def task_queues_and_calls() -> str:
    """What runs on Temporal, and where."""
    queues = [
        (
            code(_whole(queue.name)),
            code(f"codeai worker {queue.role}"),
            str(queue.slots),
            str(queue.workflow_slots or ""),
            queue.help,
        )
        for queue in TASK_QUEUES
    ]
    kinds = [
        (
            code(kind.type),
            code(f"{kind.prefix}/<id>"),
            code(kind.input.__name__),
            code(kind.result.__name__),
            code(kind.queue),
        )
        for kind in KINDS.values()
    ]
    activities = [
        (
            code(call.name),
            "in the worker of its workflow" if call.local else code(_whole(call.queue)),
            duration(call.start_to_close),
            _retry(call.retry),
            code(call.given.__name__),
            code(call.answer.__name__),
        )
        for call in calls.CALLS
    ]
    return (
        "What this platform runs on Temporal: the task queues that its workers poll, its workflows, and the activities "
        "that they\ncall. `codeai worker all` polls every queue.\n\n"
        "## Task queues\n\n`<host>` is the id of a host, which it keeps in its root folder; `<label>` is what "
        "a step's\n`queue` asks for.\n\n"
        + table(("queue", "polled by", "activities at once", "workflow tasks at once", "what for"), queues)
        + f"\n## Workflows\n\nThe time-out of a workflow task is {duration(TASK_TIMEOUT)}.\n\n"
        + table(("type", "id", "input", "result", "queue"), kinds)
        + "\n## Activities\n\nTheir repeats are for a worker that died or a database that is away, and have no end; "
        "the `retry` of a program is\nsomething else: it counts failed commands.\n\n"
        + table(("activity", "runs", "time-out", "repeated after", "input", "result"), activities)
        + f"\n## Commands\n\n`{calls.COMMAND}` is one attempt of an `exec` or its `undo` and runs on the host of its "
        f"run. Its time-out is that of the\ncommand and its `grace`, plus {duration(calls.COMMAND_MARGIN)}. Where its "
        f"worker has not been heard of for {duration(calls.COMMAND_HEARTBEAT)} it is repeated, after\n"
        f"{_retry(calls.AT_ONCE_AGAIN)}. A repeat finds the command that runs already and never starts it twice.\n"
    )


def _whole(queue: str) -> str:
    """A queue's name with what stands for its end."""
    return queue + {"@": "<host>", "-": "<label>"}.get(queue[-1], "")


def _retry(policy: RetryPolicy) -> str:
    """Such as `200ms, then ×2, at most 10s`."""
    if policy.maximum_attempts == 1:
        return "never"
    most = f", at most {duration(policy.maximum_interval)}" if policy.maximum_interval else ""
    end = f", {policy.maximum_attempts} times" if policy.maximum_attempts else ""
    return f"{duration(policy.initial_interval)}, then ×{policy.backoff_coefficient:g}{most}{end}"
