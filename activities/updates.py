"""UPDATE queries: rows, one audit entry with what they had before, and an event for each, in one transaction."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from codeai.activities.entries import change_entry
from codeai.activities.telling import row_of, tell_waits
from codeai.dsl.diagnostics import to_json
from codeai.dsl.query.diagnostics import BadQuery
from codeai.dsl.query.tree import Assignments
from codeai.persistence.audit import Audit
from codeai.persistence.engine import Database
from codeai.persistence.events import Events
from codeai.persistence.query import Changed, TooManyRows, understood, write
from codeai.workflows.contracts.changes import (
    UPDATED_KINDS,
    Action,
    ChangeInput,
    ChangeResult,
    Problem,
    UpdateRowsBody,
)
from codeai.workflows.contracts.decoding import InvalidInput, validated
from codeai.workflows.contracts.events import EventMetadata, EventRecord
from codeai.workflows.contracts.kinds import CHANGE_RECORD


async def update_rows(
    database: Database, given: ChangeInput, change: uuid.UUID, made_at: datetime, workflow_id: str | None
) -> ChangeResult:
    """Does what an UPDATE asks for. Again: nothing, with the same answer."""
    try:
        body = validated(given.body, UpdateRowsBody)
        query = understood(body.query, body.params)
    except InvalidInput as error:
        return _refused("invalid", str(error), errors=tuple(error.errors))
    except BadQuery as bad:
        return _refused("invalid_query", str(bad), diagnostics=tuple(to_json(bad.diagnostics)))
    if given.action is not Action.UPDATE or not isinstance(query.checked, Assignments):
        return _refused("invalid", "only an UPDATE changes rows")
    try:
        async with database.transaction() as rows:
            done = await Audit(rows).details(str(change))
            if done is not None:
                told = json.loads(done)
            else:
                changed = await write(rows, query.entity, query.checked)
                told = _told(query.entity.name, body, query.checked, changed)
                await Audit(rows).append(
                    change_entry(given, change, workflow_id, f"{UPDATED_KINDS[query.entity.name]}/*", told)
                )
                for event in _events(query.entity.name, told, change, made_at):
                    await Events(rows).store(row_of(event))
    except TooManyRows as many:
        return _refused("invalid", str(many))
    for event in _events(query.entity.name, told, change, made_at):
        await tell_waits(database, event.id, event.type)
    return ChangeResult(body={"updated": len(told["before"])})


def _told(entity: str, body: UpdateRowsBody, of: Assignments, changed: Changed) -> dict[str, Any]:
    """What the audit log keeps: the query, what each row had, and what all have now."""
    before = [dict(row) for row in changed.before]
    told = {"entity": entity, "query": body.query, "params": body.params, "before": before}
    plain: dict[str, Any] = json.loads(json.dumps(told | {"after": dict(of.values)}, default=_plain))
    return plain


def _plain(value: datetime) -> str:
    return value.isoformat()


def _events(entity: str, told: Mapping[str, Any], change: uuid.UUID, made_at: datetime) -> list[EventRecord]:
    """An event for each row, as any other change of it has; the same at every attempt."""
    kind = UPDATED_KINDS[entity]
    return [
        EventRecord(
            id=str(uuid.uuid5(change, row["id"])),
            type=f"change.{kind}.updated",
            source=CHANGE_RECORD.type,
            timestamp=made_at.timestamp(),
            data={"kind": kind, "id": row["id"], "action": "update"},
            metadata=EventMetadata(correlation_id=str(change)),
        )
        for row in told["before"]
    ]


def _refused(
    code: str,
    detail: str,
    errors: tuple[dict[str, Any], ...] = (),
    diagnostics: tuple[dict[str, Any], ...] = (),
) -> ChangeResult:
    problem = Problem(status=422, code=code, detail=detail, errors=errors, diagnostics=diagnostics)
    return ChangeResult(status=422, problem=problem)
