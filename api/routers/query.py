"""Queries: rows, sums and updates, in the query language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field
from pydantic_core import to_json

from codeai.api.auth.caller import Caller
from codeai.api.changes import MAY_TAKE_LONGER, accepted, applied
from codeai.api.dependencies import IdempotencyKey, Using, require_caller
from codeai.api.problems import Refused
from codeai.api.queries import hidden_from, permitted
from codeai.api.routing import Route
from codeai.api.turns import joined
from codeai.api.views import View
from codeai.dsl.query.tree import Assignments
from codeai.persistence.query import TIME_LIMIT, OutOfRange, read
from codeai.workflows.contracts.changes import UPDATE_ROWS, Action, ChangeInput, UpdateRowsBody

router = APIRouter(prefix="/query", tags=["query"], route_class=Route)

Anybody = Annotated[Caller, require_caller()]


class QueryBody(UpdateRowsBody):
    """A query, with the values of its `@params`; `cursor` goes on behind the page before."""

    cursor: str | None = Field(None, description="next_cursor of the page before")


@dataclass
class ColumnView(View):
    name: str
    type: str


@dataclass
class RowsView(View):
    """What a query answers: at most 100 rows, each with a value for every column."""

    columns: list[ColumnView]
    rows: list[list[Any]]
    next_cursor: str | None = None


@router.post("", response_model=RowsView, responses=MAY_TAKE_LONGER)
async def query(
    request: Request, parts: Using, caller: Anybody, body: QueryBody, key: IdempotencyKey = None
) -> Response:
    """Answers a query. Reading needs `read` of the entity that it names, an UPDATE `write`."""
    asked = permitted(caller, body.query, body.params)
    if isinstance(asked.checked, Assignments):
        change = ChangeInput(
            kind=UPDATE_ROWS,
            action=Action.UPDATE,
            body={"query": body.query, "params": body.params},
        )
        operation, result = await applied(request, parts, caller, key, change)
        if result is None:
            return accepted(operation)
        count = (result.body or {}).get("updated")
        return await _answer([("updated", "integer")], [[count]])
    try:
        rows = parts.database.within(TIME_LIMIT)
        found = await read(rows, asked, body.cursor, hidden_from(caller, asked.entity))
    except OutOfRange as error:
        raise Refused("invalid", str(error)) from None
    return await _answer(found.columns, found.rows, found.next_cursor)


async def _answer(columns: Any, rows: Any, next_cursor: str | None = None) -> Response:
    shell = RowsView([ColumnView(name=name, type=str(type)) for name, type in columns], [], next_cursor)
    text = await joined(shell.adapter().dump_json(shell), "rows", (to_json(list(row)) for row in rows))
    return Response(text, media_type="application/json")
