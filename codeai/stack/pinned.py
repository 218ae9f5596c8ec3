"""Runs that are pinned to a build whose workers are gone (Temporal's docs, "Worker Versioning"): the workers of
`codeai up` have no build, and get them. Without that such a run stands still, and new ones too where the build was the
current one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from codeai.stack.errors import StackError
from codeai.stack.temporal import DevServer
from codeai.workflows.contracts.queues import DEPLOYMENT, WORKFLOWS

COMING_BACK = 15.0
"""Seconds in which a worker that lives finds a server that was restarted: the SDK asks every 10 s at the latest."""
_VERSIONED = 2
"""`WORKER_VERSIONING_MODE_VERSIONED`, as the command prints it."""
_OF_DEPLOYMENT = ("--deployment-name", DEPLOYMENT, "--ignore-missing-task-queues", "--yes")


async def take_over_later(server: DevServer, tell: Callable[[str], None]) -> None:
    """Takes over when workers that live have had the time to come back, and again until that is done; `tell` gets
    a line where there was something to do, or it could not be done."""
    while True:
        await asyncio.sleep(COMING_BACK)
        try:
            builds = await asyncio.to_thread(take_over, server)
        except StackError as problem:
            tell(f"runs of builds that are gone are looked for again in {COMING_BACK:.0f} s: {problem}")
            continue
        if builds:
            tell(f"runs pinned to builds without a worker go on with this one: {', '.join(builds)}")
        return


def take_over(server: DevServer) -> list[str]:
    """The builds that have no worker any more; their runs go on with workers without a build from now on. Raises
    StackError where Temporal does not do it."""
    known = server.told("worker", "deployment", "list") or ()
    if not any(one["name"] == DEPLOYMENT for one in known):
        return []
    deployment = server.told("worker", "deployment", "describe", "--name", DEPLOYMENT)
    polled = _polled(server)
    routing = deployment["routingConfig"]
    if routing["currentVersionBuildID"] not in {"", *polled}:
        server.do("worker", "deployment", "set-current-version", "--unversioned", *_OF_DEPLOYMENT)
    if ramping := {routing["rampingVersionBuildID"]} - {"", *polled}:
        build = ("--build-id", *ramping)
        server.do("worker", "deployment", "set-ramping-version", *build, "--delete", *_OF_DEPLOYMENT)
    builds = [one["BuildID"] for one in deployment["versionSummaries"]]
    gone = [build for build in builds if build not in polled and _has_runs(server, build)]
    if gone:
        # One batch for all of them: Temporal refuses a second one while the first is under way.
        server.do(
            *("workflow", "update-options", "--query", _pinned_to(*gone), "--yes"),
            *("--reason", f"no worker of these builds is there: {', '.join(gone)}"),
            *("--versioning-override-behavior", "auto_upgrade"),
        )
    return gone


def _polled(server: DevServer) -> set[str]:
    """The builds that a worker polls for. A server that was just started knows of those alone that have come since."""
    answer = server.told("task-queue", "describe", "--legacy-mode", "--task-queue", WORKFLOWS)
    return {
        options["build_id"]
        for poller in answer["pollers"] or ()
        if (options := poller.get("deployment_options", {})).get("worker_versioning_mode") == _VERSIONED
    }


def _has_runs(server: DevServer, build: str) -> bool:
    return bool(server.told("workflow", "list", "--limit", "1", "--query", _pinned_to(build)))


def _pinned_to(*builds: str) -> str:
    versions = ", ".join(f"'{DEPLOYMENT}:{build}'" for build in builds)
    return (
        "ExecutionStatus = 'Running' AND TemporalWorkflowVersioningBehavior = 'Pinned'"
        f" AND TemporalWorkerDeploymentVersion IN ({versions})"
    )
