"""`codeai run`: checks a program here, runs it on the platform, follows it to its end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from codeai.cli.checked_programs import checked_program, refuse
from codeai.cli.commands import new
from codeai.cli.exits import Done, Exit, Stop
from codeai.cli.options import (
    AsOutput,
    Inputs,
    InputsFile,
    OnFailure,
    ParkTimeout,
    Url,
    input_texts,
    on_failure,
    read_inputs,
)
from codeai.cli.terminal import Output, put_json

app = new()


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="The program.")],
    inputs: Inputs = None,
    inputs_file: InputsFile = None,
    detach: Annotated[bool, typer.Option("--detach", help="Start it, print its id and leave.")] = False,
    output: AsOutput = Output.TABLE,
    workspace: Annotated[
        str | None,
        typer.Option("--workspace", metavar="DIR|none", help="What it works on; default: FILE's folder."),
    ] = None,
    failure_policy: OnFailure = None,
    park_timeout: ParkTimeout = None,
    wait_parked: Annotated[
        bool,
        typer.Option(
            "--wait-parked/--no-wait-parked",
            help="Follow a run that is parked, or leave it with exit code 3.",
        ),
    ] = True,
    url: Url = None,
) -> None:
    """Runs a program and follows it; ends with 0 when it is complete, 1 when it failed, 2 when it is not valid.

    Example: codeai run release.cai -i service=billing -i regions:='["eu"]'
    """
    from codeai.cli.client import ProblemAnswer, connect

    checked = checked_program(file, input_texts(inputs), read_inputs(inputs_file), output)
    program = checked.text
    api = connect(url)
    body = {"program": program, "inputs": checked.inputs, "workspace": _workspace(file, workspace)}
    body |= on_failure(failure_policy, park_timeout)
    try:
        id = api.ask("POST", "/executions", body).body["id"]
    except ProblemAnswer as problem:
        if problem.problem_code in ("invalid_program", "invalid_input"):
            refuse(_of_problem(problem.problem), None, file, output)
        raise
    if detach:
        if output is Output.JSON:
            put_json({"execution_id": id, "status": "queued"})
        else:
            print(id)
        return
    follow_to_end(api, id, output, program, f"codeai run {file}", leave_parked=not wait_parked)


def follow_to_end(
    api: Any,
    id: str,
    output: Output,
    source: str | None,
    again: str,
    *,
    leave_parked: bool = False,
    since: str | None = None,
    outcome: Callable[[], dict[str, Any]] | None = None,
) -> None:
    """Follows a run that was just started, says how it ended (by `outcome`, where given) and ends with that code;
    Ctrl-C lets go of it."""
    from codeai.cli.asking import Asker
    from codeai.cli.follow import View, exit_code, follow, put_ending, result_of
    from codeai.cli.unheard import told_if_unheard

    view = View(json=output is Output.JSON, since=since, asker=Asker(api.url, api.token, id))
    try:
        with told_if_unheard(api, view):
            status = follow(api, id, view, leave_parked=leave_parked)
        result = (result_of(api, id) if outcome is None else outcome()) | {"status": status}
    except KeyboardInterrupt:
        view.end_line()
        print(
            f"detached; the run goes on. Follow it: codeai logs -f {id}   Stop it: codeai cancel {id}",
            file=sys.stderr,
        )
        raise Done(Exit.DETACHED) from None
    if output is Output.JSON:
        put_json(result)
    else:
        put_ending(api, result, source, again)
        if result["result"] is not None:
            put_json(result["result"])
    raise Done(exit_code(status))


def _of_problem(problem: dict[str, Any]) -> list[dict[str, Any]]:
    """What the API refused, as diagnostics: it may know more than we do."""
    given: list[dict[str, Any]] = problem.get("diagnostics") or []
    if given:
        return given
    place = {"severity": "error", "column": 1, "end_column": 1, "hint": ""}
    errors = problem.get("errors") or [{"message": problem.get("detail", ""), "line": 1}]
    return [
        place
        | {"code": problem["code"], "message": one["message"]}
        | {"line": one.get("line") or 1, "end_line": one.get("line") or 1}
        for one in errors
    ]


def _workspace(file: Path, wanted: str | None) -> dict[str, str] | None:
    """What the run's workspace is seeded from. FILE's folder is taken only where the platform on this machine may
    copy it; a folder that was asked for is always sent, and refused there."""
    if wanted == "none" or (wanted is None and str(file) == "-"):
        return None
    folder = (Path(wanted) if wanted is not None else file.parent).resolve()
    if not folder.is_dir():
        raise Stop(f"--workspace {folder}: there is no such folder", Exit.INVALID)
    if wanted is None and not _may_be_copied(folder):
        print(
            f"the workspace is empty: {folder} is not below the folder that codeai up was started in; "
            "CODEAI_WORKSPACE_ROOTS can name more",
            file=sys.stderr,
        )
        return None
    return {"folder": str(folder)}


def _may_be_copied(folder: Path) -> bool:
    from codeai.stack.locate import data_folder

    here = data_folder()
    running = here.running() if here is not None else None
    return running is None or any(folder.is_relative_to(root) for root in running.workspace_roots)
