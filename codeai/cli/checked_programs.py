"""A program and its inputs as a command is given them: read, checked, or refused with diagnostics."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeai.cli.exits import Done, Exit
from codeai.cli.files import read_bytes
from codeai.cli.terminal import Output, put_json, visible

if TYPE_CHECKING:
    from codeai.dsl.check import Checked
    from codeai.dsl.program import Code


@dataclass(frozen=True, slots=True)
class CheckedProgram:
    """A valid program's text, what it is compiled to, and inputs that fit it."""

    text: str
    code: Code
    inputs: dict[str, Any]


def valid_program(file: Path, output: Output) -> Checked:
    """Reads and checks a program, and shows its warnings. Ends with 2 and diagnostics where it has errors."""
    from codeai.dsl.check import check
    from codeai.dsl.diagnostics import render_text, to_json

    checked = check(read_bytes(file))
    diagnostics = to_json(checked.diagnostics, str(file))
    text = render_text(checked.diagnostics, checked.source, str(file))
    if checked.errors:
        refuse(diagnostics, text, file, output)
    if diagnostics and output is not Output.JSON:
        print(visible(text), end="", file=sys.stderr)
    return checked


def checked_program(
    file: Path,
    texts: dict[str, str],
    values: dict[str, Any],
    output: Output,
    *,
    may_miss_inputs: bool = False,
) -> CheckedProgram:
    """Reads and checks a program and its inputs. Ends with 2 and diagnostics where one of them is wrong."""
    from codeai.dsl.compile import compile_program
    from codeai.dsl.inputs import check_inputs, parse_inputs
    from codeai.dsl.values import to_result

    checked = valid_program(file, output)
    code = compile_program(checked)
    read, problems = parse_inputs(code, texts)
    given = values | {name: to_result(value) for name, value in read.items()}
    unread = {name.removesuffix(":") for name in texts} - set(read)
    problems = [problem for problem in problems if problem.name in unread]
    found = check_inputs(code, given, complete=not may_miss_inputs)
    problems += [problem for problem in found if problem.name not in unread]
    if problems:
        refuse([_of_input(problem, file) for problem in problems], None, file, output)
    return CheckedProgram(checked.source.text, code, given)


def refuse(diagnostics: list[dict[str, Any]], text: str | None, file: Path, output: Output) -> None:
    """Shows diagnostics and ends with 2; `text` is how people see them."""
    if output is Output.JSON:
        put_json({"diagnostics": diagnostics})
    else:
        lines = [f"{file}:{one['line']}:{one['column']}: {one['message']}" for one in diagnostics]
        print(visible(text if text is not None else "\n".join(lines) + "\n"), end="", file=sys.stderr)
    raise Done(Exit.INVALID)


def _of_input(problem: Any, file: Path) -> dict[str, Any]:
    return {
        "file": str(file),
        "code": "invalid_input",
        "severity": "error",
        "message": problem.message,
        "line": max(1, problem.line),
        "column": max(1, problem.column),
        "end_line": max(1, problem.line),
        "end_column": max(1, problem.column),
        "hint": "",
    }
