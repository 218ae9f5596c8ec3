"""The process in which programs are checked: questions on stdin, answers on stdout, nothing else.

A message is four bytes of length, then JSON. `python -m codeai.api.compiler_process` ends with its stdin.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from typing import IO, Any

from codeai.api.frames import LENGTH
from codeai.dsl.check import check
from codeai.dsl.compile import compile_program
from codeai.dsl.diagnostics import Severity, to_json
from codeai.dsl.format import format_source
from codeai.dsl.inputs import check_inputs
from codeai.dsl.plan import plan
from codeai.dsl.plan_json import to_json as plan_to_json

PLANNED_FOR = ("deployments:execute",)
"""What starting a deployment needs."""


def examine(content: str, inputs: dict[str, Any] | None) -> dict[str, Any]:
    """`{valid, diagnostics, params, input_errors}`: what is wrong with a program, and with inputs for it."""
    checked = check(content)
    valid = not any(one.severity is Severity.ERROR for one in checked.diagnostics)
    code = compile_program(checked) if valid else None
    return {
        "valid": valid,
        "diagnostics": to_json(checked.diagnostics),
        "params": [
            {"name": param.name, "required": param.required, "line": param.line, "column": param.column}
            for param in (code.params if code else ())
        ],
        "input_errors": [
            {"field": f"inputs.{problem.name}", "message": problem.message, "line": max(1, problem.line)}
            for problem in (check_inputs(code, inputs) if code and inputs is not None else ())
        ],
    }


def layout(content: str) -> dict[str, Any]:
    """`{content, diagnostics}`: the canonical layout, None where the program has syntax errors."""
    formatted = format_source(content)
    return {"content": formatted.text, "diagnostics": to_json(formatted.diagnostics)}


def traced(**asked: Any) -> dict[str, Any]:
    from codeai.api import inspecting  # imports pydantic, which most questions can do without

    return inspecting.traced(**asked)


def standing(**asked: Any) -> dict[str, Any]:
    from codeai.api import inspecting

    return inspecting.standing(**asked)


def planned(content: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """`{plan}` of a program with inputs, of which some may be missing; else what is wrong: `{diagnostics}` or
    `{input_errors}`."""
    checked = check(content)
    if any(one.severity is Severity.ERROR for one in checked.diagnostics):
        return {"diagnostics": to_json(checked.diagnostics)}
    code = compile_program(checked)
    problems = check_inputs(code, inputs, complete=False)
    if problems:
        return {"input_errors": [{"field": f"inputs.{one.name}", "message": one.message} for one in problems]}
    return {"plan": plan_to_json(plan(code, inputs, PLANNED_FOR))}


QUESTIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "examine": examine,
    "layout": layout,
    "traced": traced,
    "standing": standing,
    "planned": planned,
}
"""What may be asked: a name, and its arguments."""


def serve(questions: IO[bytes], answers: IO[bytes]) -> None:
    """Answers until `questions` ends."""
    while head := questions.read(LENGTH.size):
        question = json.loads(questions.read(*LENGTH.unpack(head)))
        answer = json.dumps(QUESTIONS[question.pop("ask")](**question)).encode()
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()


if __name__ == "__main__":
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C goes to the whole group; the API ends us by our stdin
    serve(sys.stdin.buffer, sys.stdout.buffer)
