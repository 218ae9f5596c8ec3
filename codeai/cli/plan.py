"""`codeai plan`: what a run of a program would do. Runs nothing, and needs no platform."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codeai.cli.checked_programs import checked_program
from codeai.cli.commands import new
from codeai.cli.options import AsOutput, Inputs, InputsFile, input_texts, read_inputs
from codeai.cli.terminal import Output, put_json, visible

app = new()

PERMISSIONS = ("executions:write", "configs:write")
"""What `codeai run` of the same file needs."""


@app.command()
def plan(
    file: Annotated[Path, typer.Argument(help="The program; - is standard input.")],
    inputs: Inputs = None,
    inputs_file: InputsFile = None,
    output: AsOutput = Output.TABLE,
) -> None:
    """Shows every command that a run would start, in order, with what is known of its variables; runs nothing.
    Inputs may be left out.

    Example: codeai plan release.cai -i service=billing
    """
    from codeai.dsl.plan import plan as planned
    from codeai.dsl.plan_json import to_json
    from codeai.dsl.plan_text import render

    given = input_texts(inputs), read_inputs(inputs_file)
    checked = checked_program(file, *given, output, may_miss_inputs=True)
    made = planned(checked.code, checked.inputs, PERMISSIONS)
    if output is Output.JSON:
        put_json(to_json(made))
    else:
        print(visible(render(made)), end="")
