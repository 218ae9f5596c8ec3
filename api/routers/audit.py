"""The audit log: who did what, as pages or as a whole."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime, BeforeValidator
from sqlalchemy import ColumnElement, and_

from codeai.api.allowances import CallersStream
from codeai.api.auth.caller import Caller
from codeai.api.dependencies import Paged, Rows, Using, require_permission
from codeai.api.lifetimes import Lifetime
from codeai.api.outages import reading
from codeai.api.queries import filter_of
from codeai.api.routing import Route
from codeai.api.views import Listing, View
from codeai.dsl.query.operators import Operator
from codeai.dsl.query.tree import Compared, Junction, Plain
from codeai.persistence.audit import Audit, Entry
from codeai.persistence.entities import ENTITIES
from codeai.persistence.query_sql import condition
from codeai.persistence.reads import Reads

router = APIRouter(prefix="/audit", tags=["audit"], route_class=Route)

JSON_LINES = "application/jsonl"
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
AT_ONCE = 500
"""Entries that an export reads at a time."""
Reader = Annotated[Caller, require_permission("audit:read")]
Text = Annotated[str | None, Query(max_length=512, pattern=r"^[^\x00]*$")]


def _in_utc(text: object) -> datetime:
    """A time as RFC 3339 has it. pydantic alone takes a number for one, and what lies outside the years 1 to 9999."""
    try:
        if not _TIME.fullmatch(str(text)):
            raise ValueError
        return datetime.fromisoformat(str(text).upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is no time such as 2026-11-28T12:00:00Z") from None


Time = Annotated[AwareDatetime, BeforeValidator(_in_utc)]

_LINES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One page; with `Accept: application/jsonl` every entry that fits, oldest first, a line each",
        "content": {JSON_LINES: {"schema": {"type": "string"}}},
    }
}


@dataclass
class AuditView(View):
    """Who did what. `via` is api, cli, temporal or run; `hash` covers the entry and, by `previous`, all before it."""

    seq: int
    id: str
    at: datetime
    actor: str | None
    via: str
    action: str
    entity: str
    request_id: str | None
    workflow_id: str | None
    details: Any
    previous: str
    hash: str

    @classmethod
    def of(cls, row: Entry) -> Self:
        return cls.like(row, details=json.loads(row.details))


def _asked(
    where: Annotated[ColumnElement[bool] | None, filter_of("audit_log")],
    actor: Text = None,
    action: Text = None,
    entity: Annotated[
        str | None,
        Query(max_length=512, pattern=r"^[^\x00]*$", description="`<kind>/<id>`, or a kind for all of it"),
    ] = None,
    via: Text = None,
    request_id: Text = None,
    workflow_id: Text = None,
    since: Annotated[Time | None, Query(description="from this time on")] = None,
    until: Annotated[Time | None, Query(description="before this time")] = None,
) -> ColumnElement[bool] | None:
    """Which entries: each parameter is a comparison of the query language, and all of them and `filter` must hold."""
    of_kind = entity is not None and "/" not in entity
    given: tuple[tuple[str, Operator, Plain], ...] = (
        ("actor", Operator.EQUAL, actor),
        ("action", Operator.EQUAL, action),
        ("entity", Operator.STARTSWITH if of_kind else Operator.EQUAL, f"{entity}/" if of_kind else entity),
        ("via", Operator.EQUAL, via),
        ("request_id", Operator.EQUAL, request_id),
        ("workflow_id", Operator.EQUAL, workflow_id),
        ("at", Operator.AT_LEAST, since),
        ("at", Operator.LESS, until),
    )
    parts = tuple(Compared(column, how, (value,)) for column, how, value in given if value is not None)
    if not parts:
        return where
    by_parameters = condition(ENTITIES["audit_log"], Junction(True, parts))
    return by_parameters if where is None or by_parameters is None else and_(by_parameters, where)


Where = Annotated[ColumnElement[bool] | None, Depends(_asked)]


@router.get("", response_model=Listing[AuditView], responses=_LINES)
async def list_audit(
    request: Request, parts: Using, caller: Reader, rows: Rows, page: Paged, where: Where
) -> Response | Listing[AuditView]:
    """Who did what, newest first. As JSON lines all that fits, in the order of its chain, with `details` as text."""
    if JSON_LINES in request.headers.get("accept", ""):
        lines = _lines(rows, where, Lifetime(caller, "audit:read", parts.roles, parts.stopping))
        return CallersStream(lines, parts.allowances, caller.subject, JSON_LINES)
    return Listing[AuditView].of(await Audit(rows).page(page, where), AuditView.of)


async def _lines(
    database: Reads, where: ColumnElement[bool] | None, lifetime: Lifetime
) -> AsyncIterator[str]:
    """Every entry as it is stored. A database that goes away, and the end of the stream's time, cut the answer short,
    which its reader sees."""
    last, more = 0, True
    while more:
        await lifetime.check()
        async with reading(database) as rows:
            found = await Audit(rows).behind(last, AT_ONCE, where)
        yield "".join(json.dumps(asdict(one), default=_as_text, ensure_ascii=False) + "\n" for one in found)
        more = len(found) == AT_ONCE
        last = found[-1].seq if found else last


def _as_text(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat()
