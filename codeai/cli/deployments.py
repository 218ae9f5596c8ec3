"""`codeai deployments`: what is run, started and stopped by name."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from codeai.cli.client import Api, connect, segment
from codeai.cli.commands import new
from codeai.cli.options import (
    AsOutput,
    Filter,
    Inputs,
    InputsFile,
    Limit,
    OnFailure,
    ParkTimeout,
    Url,
    input_values,
    on_failure,
)
from codeai.cli.resources import delete, put_list
from codeai.cli.run import follow_to_end
from codeai.cli.terminal import Output, put_json, put_thing

app = new("What is run, started and stopped by name.", no_args_is_help=True)

Deployment = Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="Name or id.")]


class Concurrency(StrEnum):
    """What `--concurrency` takes."""

    QUEUE = "queue"
    REPLACE = "replace"
    REJECT = "reject"
    PARALLEL = "parallel"


Config = Annotated[str | None, typer.Option("--config", help="Name or id of the config to run.")]
Version = Annotated[int | None, typer.Option("--version", min=1, help="Fixes the config's version.")]
Together = Annotated[Concurrency | None, typer.Option("--concurrency", help="What a second run does.")]
Key = Annotated[
    str | None, typer.Option("--concurrency-key", help="Deployments with the same one share a lane.")
]


@app.command("list")
def list_deployments(
    filter: Filter = None, limit: Limit = 20, output: AsOutput = Output.TABLE, url: Url = None
) -> None:
    """Lists deployments, newest first.

    Example: codeai deployments list
    """
    columns = ("name", "status", "id", "config_id", "version", "concurrency", "updated_at")
    put_list("/deployments", columns, limit, output, url, filter=filter)


@app.command("show")
def show_deployment(deployment: Deployment, output: AsOutput = Output.TABLE, url: Url = None) -> None:
    """Shows one deployment.

    Example: codeai deployments show billing
    """
    put_thing(connect(url).get(f"/deployments/{segment(deployment)}"), output)


@app.command("create")
def create_deployment(
    name: Deployment,
    config: Config = None,
    version: Version = None,
    inputs: Inputs = None,
    inputs_file: InputsFile = None,
    failure_policy: OnFailure = None,
    park_timeout: ParkTimeout = None,
    concurrency: Together = None,
    concurrency_key: Key = None,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Saves what is to be run under a name.

    Example: codeai deployments create billing --config release -i service=billing
    """
    api = connect(url)
    body = {"name": name, "inputs": input_values(inputs, inputs_file)}
    body |= _given(api, config, version, concurrency, concurrency_key)
    body |= on_failure(failure_policy, park_timeout)
    _put(api.change("POST", "/deployments", body), output)


@app.command("update")
def update_deployment(
    deployment: Deployment,
    rename: Annotated[str | None, typer.Option("--name", help="A new name.")] = None,
    config: Config = None,
    version: Version = None,
    inputs: Inputs = None,
    inputs_file: InputsFile = None,
    failure_policy: OnFailure = None,
    park_timeout: ParkTimeout = None,
    concurrency: Together = None,
    concurrency_key: Key = None,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Changes what is given and keeps the rest; inputs are added to those there are.

    Example: codeai deployments update billing --version 3
    """
    api = connect(url)
    answer = api.ask("GET", f"/deployments/{segment(deployment)}")
    known = answer.body
    kept = ("name", "config_id", "version", "inputs", "failure_policy", "park_timeout")
    body = {name: known[name] for name in (*kept, "concurrency", "concurrency_key")}
    body["name"] = rename or known["name"]
    body |= _given(api, config, version, concurrency, concurrency_key)
    body |= on_failure(failure_policy, park_timeout)
    body["inputs"] = known["inputs"] | input_values(inputs, inputs_file)
    # Only over what we have read: somebody else may change it at the same time.
    headers = {"If-Match": answer.headers["ETag"]}
    _put(api.change("PUT", f"/deployments/{known['id']}", body, headers), output)


@app.command("delete")
def delete_deployment(deployment: Deployment, output: AsOutput = Output.TABLE, url: Url = None) -> None:
    """Removes a deployment; its executions stay.

    Example: codeai deployments delete billing
    """
    delete("deployments", deployment, output, url)


@app.command("execute")
def execute_deployment(
    deployment: Deployment,
    inputs: Inputs = None,
    inputs_file: InputsFile = None,
    failure_policy: OnFailure = None,
    park_timeout: ParkTimeout = None,
    detach: Annotated[bool, typer.Option("--detach", help="Start it, print its id and leave.")] = False,
    output: AsOutput = Output.TABLE,
    url: Url = None,
) -> None:
    """Runs a deployment and follows it, like `codeai run`.

    Example: codeai deployments execute billing -i service=billing
    """
    api = connect(url)
    body: dict[str, Any] = {"inputs": input_values(inputs, inputs_file)}
    body |= on_failure(failure_policy, park_timeout)
    id = api.ask("POST", f"/deployments/{segment(deployment)}/execute", body).body["id"]
    if not detach:
        follow_to_end(api, id, output, None, f"codeai deployments execute {deployment}")
    elif output is Output.JSON:
        put_json({"execution_id": id, "status": "queued"})
    else:
        print(id)


@app.command("stop")
def stop_deployment(deployment: Deployment, output: AsOutput = Output.TABLE, url: Url = None) -> None:
    """Cancels the running and queued executions of a deployment.

    Example: codeai deployments stop billing
    """
    told = connect(url).ask("POST", f"/deployments/{segment(deployment)}/stop").body
    if output is Output.JSON:
        put_json(told)
    else:
        print("\n".join(f"cancelling: {id}" for id in told["cancelled"]) or "nothing of it is running")


def _given(
    api: Api,
    config: str | None,
    version: int | None,
    concurrency: Concurrency | None,
    concurrency_key: str | None,
) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if config is not None:
        body["config_id"] = api.get(f"/configs/{segment(config)}")["id"]
    if version is not None:
        body["version"] = version
    if concurrency is not None:
        body["concurrency"] = concurrency.value
    if concurrency_key is not None:
        body["concurrency_key"] = concurrency_key
    return body


def _put(made: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        put_json(made)
    else:
        put_thing({name: made.get(name) for name in ("name", "id", "config_id", "version")}, output)
