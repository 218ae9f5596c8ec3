"""What the conformance cases call in one process (`run.py --fast`), without the command line."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from codeai.dsl.bind import bind
from codeai.dsl.check import check as check_source
from codeai.dsl.compile import compile_source
from codeai.dsl.format import format_source
from codeai.dsl.inputs import check_inputs, parse_inputs
from codeai.dsl.machine import Machine
from codeai.dsl.requests import EffectResult, Failed, Finished
from codeai.dsl.values import to_result


def check(source: bytes) -> list[dict[str, Any]]:
    """What `codeai check --format json` prints, without `file`."""
    return [asdict(one) for one in check_source(source).diagnostics]


def format(source: bytes) -> str:
    """What `codeai fmt` writes: the program as it was where it has syntax errors."""
    text = format_source(source).text
    return source.decode() if text is None else text


def run(source: bytes, inputs: dict[str, str]) -> dict[str, Any]:
    """What `codeai run --output json` prints, of a program without effects."""
    compiled = compile_source(source)
    if compiled.code is None:
        return {"diagnostics": [asdict(one) for one in compiled.diagnostics]}
    values, problems = parse_inputs(compiled.code, inputs)
    unread = {one.name for one in problems}
    problems += [one for one in check_inputs(compiled.code, values) if one.name not in unread]
    if problems:
        return {"diagnostics": [{"severity": "error", **asdict(one)} for one in problems]}
    machine = Machine.start(bind(compiled.code), values)
    ended = {"execution_id": "-", "result": None, "error": None}
    while True:
        outcome = machine.advance()
        if isinstance(outcome, Finished):
            return {**ended, "status": "complete", "result": to_result(outcome.value)}
        if isinstance(outcome, Failed):
            return {**ended, "status": "failed", "error": to_result(outcome.error)}
        for step in list(machine.pending):
            machine.answer(step, EffectResult())
