"""What was kept of a run: its program, journals and results from the rows, the rest from the worker that has it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from codeai.api.dependencies import Parts
from codeai.api.outages import reading
from codeai.api.problems import Refused
from codeai.api.questions import NoSuchRun, ask
from codeai.api.runs import known
from codeai.api.views import StartedView
from codeai.dsl.journal import begun_in, programs_in
from codeai.persistence.blobs import Blobs
from codeai.persistence.checkpoints import Checkpoints
from codeai.persistence.executions import Execution
from codeai.persistence.reads import Reads
from codeai.persistence.steps import Steps, UndoBlockRun
from codeai.workflows.contracts.errors import TERMINATED
from codeai.workflows.contracts.executions import Carried
from codeai.workflows.contracts.packing import pack, unpack

MOST_RESULTS = 32 * 2**20
"""Bytes of recorded results that one trace reads."""

UNANSWERED = "no worker answers for what the run has done since its last checkpoint"
UNKNOWN_END = "what the run did last was not kept"


@dataclass(frozen=True, slots=True)
class Recording:
    """A run, or one of its workflow runs, packed as it was kept: with the checkpoint `before` it, and that which was
    kept `after` it where others follow. `content` is the program that it began with, `programs` by hash those with
    which it went on, or that began its steps, as `begun` says; `blocks` are the undo blocks of the whole run, `parts`
    the numbers of all its workflow runs; `cut` says what is missing."""

    execution: Execution
    content: str
    programs: dict[str, str]
    begun: dict[int, str]
    journals: list[str]
    before: str | None
    after: str | None
    results: dict[int, tuple[str, int, str]]
    blocks: list[UndoBlockRun]
    parts: list[int]
    cut: str | None


async def recording(parts: Parts, id: UUID, part: int | None) -> Recording:
    """What was kept of the run, or of its workflow run number `part`. Raises Refused: not_found, no_trace,
    no_worker."""
    found = await known(parts, id)
    if isinstance(found, StartedView):
        raise Refused("no_trace", "the run has not begun yet")
    live = None if _is_whole(found) else await asked(parts, found.workflow_id, "journal")
    async with reading(parts.database) as rows:
        kept = await Checkpoints(rows).journals(found.id)
        if live is not None and found.ended and not live["rounds"]:
            live = None  # a command to it that came to nothing
        if live is not None and all(run <= live["run"] for run in kept):
            kept[live["run"]] = pack(live["rounds"])
        if not kept:
            raise _nothing_kept(found)
        cut = None if _is_whole(found) or live is not None else UNANSWERED
        before = after = None
        if part is not None:
            if part not in kept:
                runs = ", ".join(map(str, sorted(kept)))
                raise Refused("not_found", f"the run has no workflow run {part}, or it was not kept: {runs}")
            before = await Checkpoints(rows).before(found.id, part)
            if part < max(kept):
                after = await Checkpoints(rows).before(found.id, part + 1)
        chosen = [kept[run] for run in sorted(kept) if part is None or run == part]
        wanted = await asyncio.to_thread(_steps_in_rows, chosen)
        later = [kept[run] for run in sorted(kept) if part is None or run >= part]
        patches = await asyncio.to_thread(_patches, later)
        now = live["program"] if live is not None else found.content_hash
        content = await program_of(rows, patches[0][0] if patches else now)
        begun = await asyncio.to_thread(_begun_in, [kept[run] for run in sorted(kept)])
        hashes = {hash for _, hash in patches} | set(begun.values())
        texts = {hash: await Blobs(rows).get(hash) for hash in hashes}
        results, more = await Steps(rows).results(found.id, wanted, MOST_RESULTS)
        blocks, more_blocks = await Steps(rows).undo_blocks(found.id, MOST_RESULTS)
        if more or more_blocks:
            cut = f"there are more than {MOST_RESULTS >> 20} MiB of recorded results"
    programs = {hash: text for hash, text in texts.items() if text is not None}
    return Recording(
        found, content, programs, begun, chosen, before, after, results, blocks, sorted(kept), cut
    )


async def asked(parts: Parts, workflow_id: str, query: str) -> dict[str, Any] | None:
    """What the run's worker answers to a query; None where nobody does."""
    try:
        answer: dict[str, Any] | None = await ask(parts.temporal.get_workflow_handle(workflow_id), query)
    except NoSuchRun:
        return None
    return answer


async def program_of(rows: Reads, content_hash: str | None) -> str:
    """A program's text. Raises Refused(no_trace)."""
    content = await Blobs(rows).get(content_hash) if content_hash else None
    if content is None:
        raise Refused("no_trace", "the program of this run is not kept")
    return content


def program_in(carried: str) -> str:
    """The hash of the program that a run has at a checkpoint (packed as it was kept)."""
    return Carried.model_validate(unpack(carried)).program


def _is_whole(execution: Execution) -> bool:
    """Whether the run has kept all that it did: not one that goes on, nor one that was terminated."""
    if not execution.ended:
        return False
    return execution.error is None or json.loads(execution.error).get("kind") != TERMINATED


def _patches(journals: list[str]) -> list[tuple[str, str]]:
    """The hashes of the programs with which a run went on, each behind that of the one before."""
    return [patch for journal in journals for patch in programs_in(unpack(journal))]


def _begun_in(journals: list[str]) -> dict[int, str]:
    return begun_in(unpack(journal) for journal in journals)


def _nothing_kept(execution: Execution) -> Refused:
    if execution.ended:
        return Refused("no_trace", "nothing was recorded of this run that could be traced")
    return Refused("no_worker", "no worker answers for this run, and nothing of it was kept yet")


def _steps_in_rows(journals: list[str]) -> list[int]:
    """The steps whose results stand in their rows."""
    return sorted(
        entry[0]
        for journal in journals
        for round in unpack(journal)
        for entry in round[1:]
        if isinstance(entry, list) and len(entry) == 1
    )
