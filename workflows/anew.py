"""Continuing as new: how every workflow of ours goes on with an empty history."""

from __future__ import annotations

from typing import NoReturn

from temporalio import workflow
from temporalio.workflow import ContinueAsNewVersioningBehavior

from codeai.workflows.contracts.base import Contract
from codeai.workflows.contracts.kinds import TASK_TIMEOUT


def go_on_as_new(carried: Contract) -> NoReturn:
    """Ends this workflow run by beginning the next one. One that is pinned to a build goes on with the build that is
    current (Worker Versioning); without builds that says nothing."""
    workflow.continue_as_new(
        carried,
        task_timeout=TASK_TIMEOUT,
        initial_versioning_behavior=ContinueAsNewVersioningBehavior.AUTO_UPGRADE,
    )
