"""Worker Versioning (Temporal's docs, "Worker Versioning"): a worker that is given a build id takes the runs of its
build, and new ones where that build is current. A run is pinned to its build until it continues as new."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    DescribeWorkerDeploymentResponse,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkerDeploymentConfig

from codeai.pollers import WORKFLOWS, build_of, pollers
from codeai.workflows.contracts.queues import DEPLOYMENT
from codeai.workflows.contracts.queues import WORKFLOWS as QUEUE

AGAIN = 1.0
"""Seconds until Temporal is asked again; it knows a build some time after its worker has begun to poll."""
LIMIT = timedelta(seconds=10)
UNKNOWN_YET = (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.UNAVAILABLE)

_log = structlog.get_logger(__name__)


def versioned(build_id: str) -> WorkerDeploymentConfig:
    """What makes a worker one of that build."""
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=DEPLOYMENT, build_id=build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.PINNED,
    )


async def take_new_runs(client: Client, build_id: str) -> None:
    """Makes the build the current one where nobody else would take new runs: no build is current yet, and no worker
    without a build is there. Else it is the operator's to say, and how is said in the log."""
    while True:
        try:
            found = await _described(client)
            current = found.worker_deployment_info.routing_config.current_deployment_version.build_id
            if not current and not await _unversioned_polls(client):
                await _make_current(client, build_id, found.conflict_token)
                current = build_id
            break
        except RPCError as error:
            if error.status not in UNKNOWN_YET:
                _log.warning(
                    "the build was not made the current one", build_id=build_id, problem=error.message
                )
                return
            await asyncio.sleep(AGAIN)
    if current == build_id:
        _log.info("new runs go to this build", build_id=build_id)
        return
    command = (
        f"temporal worker deployment set-current-version --deployment-name {DEPLOYMENT} --build-id {build_id}"
    )
    _log.info("new runs go elsewhere", build_id=build_id, current=current or "no build", change_with=command)


async def _described(client: Client) -> DescribeWorkerDeploymentResponse:
    asked = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=DEPLOYMENT)
    return await client.workflow_service.describe_worker_deployment(asked, timeout=LIMIT)


async def _unversioned_polls(client: Client) -> bool:
    return any(build_of(one, DEPLOYMENT) is None for one in await pollers(client, QUEUE, WORKFLOWS))


async def _make_current(client: Client, build_id: str, token: bytes) -> None:
    """`token` is of what was read: of two builds that begin together one is refused."""
    asked = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace,
        deployment_name=DEPLOYMENT,
        build_id=build_id,
        conflict_token=token,
        identity=client.identity,
    )
    await client.workflow_service.set_worker_deployment_current_version(asked, timeout=LIMIT)
