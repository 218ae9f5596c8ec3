"""Looking into runs: where one stands, and what it did with which values."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from codeai.api.auth.caller import Caller
from codeai.api.dependencies import Parts, Using, require_permission
from codeai.api.mending import mended
from codeai.api.outages import reading
from codeai.api.problems import Refused
from codeai.api.recordings import UNKNOWN_END, asked, program_in, program_of, recording
from codeai.api.routing import Route
from codeai.api.runs import must_exist, row_in_time, workflow_of
from codeai.api.views import TraceView
from codeai.dsl.diagnostics import Source
from codeai.dsl.trace import MOST_ENTRIES
from codeai.dsl.view import with_source
from codeai.persistence.checkpoints import Checkpoints
from codeai.persistence.executions import Execution
from codeai.persistence.steps import Steps

router = APIRouter(prefix="/executions", tags=["executions"], route_class=Route)

Inspector = Annotated[Caller, require_permission("executions:inspect")]

UNDO_SHOWN = 100
"""Steps of the undo stack that are shown with their commands, the last ones."""


@router.get("/{id}/state")
async def show_state(parts: Using, _: Inspector, id: UUID) -> dict[str, Any]:
    """Where a run is: statement, variables, what it waits for. From its worker, else as it was last kept."""
    found = await row_in_time(parts, id)
    if found is not None:
        found = await mended(parts, found)
    state = await asked(parts, workflow_of(found, id), "state")
    if found is not None and found.ended:
        # A command that came to nothing is the newest workflow run, and knows nothing; one that was terminated stands
        # where it stood.
        state = {**state, "status": found.status} if state is not None and "fibres" in state else None
    if state is None:
        return await _kept_state(parts, id, found)
    if found is None or "fibres" not in state:
        return state
    try:
        async with reading(parts.database) as rows:
            source = Source(await program_of(rows, state["program"]))
            return await _with_undo(Steps(rows), found, with_source(state, source))
    except Refused:  # the worker's answer is worth more than the words beside it
        return state


@router.get("/{id}/trace")
async def show_trace(
    parts: Using,
    _: Inspector,
    id: UUID,
    first: Annotated[
        int, Query(alias="from", description="number of the first entry; below zero: from the end")
    ] = 1,
    limit: Annotated[int, Query(ge=1, le=MOST_ENTRIES)] = 200,
    around: Annotated[
        Literal["error"] | None, Query(description="instead of `from`: the entries before the last error")
    ] = None,
    at: Annotated[
        int | None, Query(description="only this entry, with all that could be seen behind it")
    ] = None,
    run: Annotated[
        int | None,
        Query(
            ge=1, le=2_147_483_647, description="only this workflow run of those that it continued as new in"
        ),
    ] = None,
) -> TraceView:
    """What a run did, statement by statement, found out again from what was recorded."""
    kept = await recording(parts, id, run)
    made = await parts.compilers.traced(
        content=kept.content,
        programs=kept.programs,
        begun=kept.begun,
        inputs=json.loads(kept.execution.inputs),
        journals=kept.journals,
        results=kept.results,
        blocks=[asdict(block) for block in kept.blocks],
        window={"first": first, "limit": limit, "around_error": around == "error", "at": at},
        before=kept.before,
        after=kept.after,
    )
    cut = kept.cut or made["cut"]
    if cut is None and not made["complete"] and kept.execution.ended and run is None and at is None:
        cut = UNKNOWN_END
    made |= {"cut": cut, "complete": made["complete"] and kept.execution.ended}  # else it may be undoing
    if made["view"] is not None:
        async with reading(parts.database) as rows:
            made["view"] = await _with_undo(Steps(rows), kept.execution, made["view"])
    return TraceView(**made, execution_id=str(id), status=kept.execution.status, runs=kept.parts)


async def _kept_state(parts: Parts, id: UUID, found: Execution | None) -> dict[str, Any]:
    """Where the run stood at its last checkpoint. Raises Refused(not_found, no_worker, no_trace)."""
    if found is None:
        await must_exist(parts, id)
        raise Refused("no_worker", "no worker answers for this run, and it is not written yet")
    async with reading(parts.database) as rows:
        kept = await Checkpoints(rows).newest(found.id)
        if kept is None and found.ended:
            raise Refused("no_trace", "no state of this run was kept; its steps say what it did")
        if kept is None:
            raise Refused("no_worker", "no worker answers for this run, and no state of it was kept yet")
        content = await program_of(rows, await asyncio.to_thread(program_in, kept.text))
    state = await parts.compilers.standing(content, kept.text)
    state |= {"status": found.status, "as_of": kept.created_at.isoformat()}
    async with reading(parts.database) as rows:
        return await _with_undo(Steps(rows), found, state)


async def _with_undo(steps: Steps, found: Execution, state: dict[str, Any]) -> dict[str, Any]:
    """The undo stack with lines and commands instead of bare numbers."""
    undo: list[int] = state.get("undo", [])
    known = await steps.named(found.id, undo[-UNDO_SHOWN:])
    shown = []
    for step in undo:
        line, command = known.get(step, (None, None))
        shown.append({"step": step, "line": line, "command": command})
    return {**state, "undo": shown}
