"""What the compiler process says of runs: their trace, and where they stand by what was kept. Plain data in and out."""

from __future__ import annotations

from typing import Any

from codeai.dsl.bind import bind
from codeai.dsl.check import Checked, check
from codeai.dsl.compile import compile_program
from codeai.dsl.diagnostics import Source
from codeai.dsl.machine import Machine
from codeai.dsl.program import Code
from codeai.dsl.requests import EffectResult
from codeai.dsl.trace import Recorded, Window, trace
from codeai.dsl.trace_entries import Entry
from codeai.dsl.view import with_source
from codeai.workflows.contracts.answers import answer_in_row, undo_block
from codeai.workflows.contracts.executions import Carried
from codeai.workflows.contracts.packing import unpack


def traced(
    content: str,
    programs: dict[str, str],
    begun: dict[str, str],
    inputs: dict[str, Any],
    journals: list[str],
    results: dict[str, tuple[str, int, str]],
    blocks: list[dict[str, Any]],
    window: dict[str, Any],
    before: str | None,
    after: str | None,
) -> dict[str, Any]:
    """`{items, total, complete, cut, view}` of a window of a run. `journals` and the checkpoints `before` and `after`
    them are packed as they are kept; `results` has kind, line and result of each step's row, `blocks` the rows of undo
    blocks; `programs` by hash those with which it went on, or that began its steps, as `begun` says by step."""
    checked = check(content)
    if checked.errors:
        return {"items": [], "total": 0, "complete": False, "cut": _refused(checked), "view": None}

    def result_of(step: int) -> EffectResult | None:
        found = results.get(str(step))
        return None if found is None else answer_in_row(*found)

    rounds = [unpack(journal) for journal in journals]
    state = None if before is None else _state(before)

    def code_of(hash: str) -> Code:
        if hash not in programs:
            raise ValueError("a program with which the run went on is not kept")
        return compile_program(check(programs[hash]))

    later = () if after is None else _state(after)["undo"]
    undone = [block for row in blocks if (block := undo_block(**row)).undoes not in later]
    recorded = Recorded(compile_program(checked), rounds, result_of, inputs, state, code_of, undone)
    found = trace(recorded, Window(**window))
    sources = {hash: Source(text) for hash, text in programs.items()}

    def source_of(entry: Entry) -> Source:
        at = found.program_at(entry) if entry.undoes is None else begun.get(str(entry.undoes))
        return sources.get(at or "", checked.source)

    last = found.programs[-1][1] if found.programs else ""
    return {
        "items": [entry.to_json(source_of(entry)) for entry in found.entries],
        "total": found.total,
        "complete": found.complete,
        "cut": found.cut,
        "view": None if found.view is None else with_source(found.view, sources.get(last, checked.source)),
    }


def standing(content: str, carried: str) -> dict[str, Any]:
    """Where a run stands by a checkpoint of it, as its workflow would say it."""
    checked = check(content)
    if checked.errors:
        return {"cut": _refused(checked)}
    machine = Machine.resume(bind(compile_program(checked)), _state(carried))
    return with_source(machine.view(), checked.source)


def _refused(checked: Checked) -> str:
    first = checked.errors[0]
    return f"this build refuses the program: line {first.line}: {first.message}"


def _state(carried: str) -> dict[str, Any]:
    state: dict[str, Any] = unpack(Carried.model_validate(unpack(carried)).state)
    return state
