"""Loading programs: the text by hash, config or deployment; compiled here, because workflow code parses nothing."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from codeai.activities.compilers import Compilers, compiled, patched
from codeai.persistence.blobs import Blobs, hash_of
from codeai.persistence.configs import Config, Configs
from codeai.persistence.deployments import Deployments, lane_of
from codeai.persistence.engine import Database
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.executions import FailurePolicy
from codeai.workflows.contracts.lanes import Concurrency
from codeai.workflows.contracts.records import LoadInput, LoadResult, PatchInput, PatchResult
from codeai.workflows.contracts.shell import WorkspaceSeed

KEPT = 256
MOST = 1_900_000
"""Bytes of what is answered: no workflow takes over 2 MiB."""
GONE = "the program's text is gone from the database"


class NotLoadable(Exception):
    """There is no such program, or it cannot be run."""

    def __init__(self, error: RunError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(slots=True)
class Programs:
    """Reads programs and compiles them once a process; `compilers` keeps the compiling off the event loop."""

    database: Database
    compilers: Compilers
    _known: OrderedDict[str, str] = field(default_factory=OrderedDict)

    @activity.defn(name="load_program")
    async def load_program(self, given: LoadInput) -> LoadResult:
        if given.program is not None:
            content_hash = hash_of(given.program)
            if content_hash in self._known:  # its text is kept already
                return LoadResult(program_hash=content_hash, code=self._known[content_hash])
        try:
            async with self.database.transaction() as rows:
                text, found = await self._find(rows, given)
                content_hash = given.program_hash or found.program_hash or await Blobs(rows).put(text)
            code = await self._compiled(content_hash, text)
        except NotLoadable as problem:
            return LoadResult(error=problem.error)
        loaded = found.model_copy(update={"program_hash": content_hash, "code": code})
        if loaded.json_size > MOST:
            message = (
                f"the program, its config's workspace and the deployment's inputs have over {MOST:,} bytes together; "
                "bring the workspace's files by git or from a folder"
            )
            return LoadResult(error=RunError(kind="limit", message=message))
        return loaded

    @activity.defn(name="patch_program")
    async def patch_program(self, given: PatchInput) -> PatchResult:
        """The edited program, compared with what has run of the one before; its text is kept."""
        async with self.database.transaction() as rows:
            before = await Blobs(rows).get(given.before)
            content_hash = await Blobs(rows).put(given.program)
        if before is None:
            return PatchResult(error=RunError(kind="no_trace", message=GONE))
        made = await self.compilers.run(partial(patched, before, given.standing), given.program)
        if isinstance(made, RunError):
            return PatchResult(error=made)
        code, moved = made
        return PatchResult(program_hash=content_hash, code=code, moved=moved)

    async def _find(self, rows: AsyncSession, given: LoadInput) -> tuple[str, LoadResult]:
        if given.program_hash is not None:
            text = await Blobs(rows).get(given.program_hash)
            if text is None:
                raise _refusal("not_found", GONE)
            return text, LoadResult()
        if given.program is not None:
            return given.program, LoadResult()
        if given.config is not None:
            config = await self._config(rows, given.config, given.version)
            return config.content, _of_config(config)
        if given.deployment is not None:
            return await self._deployment(rows, given.deployment, given.version)
        raise _refusal("invalid_input", "one of deployment, config and program must say what to run")

    async def _config(self, rows: AsyncSession, id_or_name: str, version: int | None) -> Config:
        config = await Configs(rows).get(id_or_name)
        if config is not None and version is not None and version != config.version:
            config = await Configs(rows).version(config.id, version)
        if config is None:
            raise _refusal(
                "not_found", f"there is no config {id_or_name!r}" + (f" version {version}" if version else "")
            )
        return config

    async def _deployment(
        self, rows: AsyncSession, id_or_name: str, version: int | None
    ) -> tuple[str, LoadResult]:
        deployment = await Deployments(rows).get(id_or_name)
        if deployment is None:
            raise _refusal("not_found", f"there is no deployment {id_or_name!r}")
        if deployment.config_id is None:
            raise _refusal("no_config", f"deployment {deployment.name!r} has no config yet")
        config = await self._config(rows, deployment.config_id, version or deployment.version)
        concurrency = Concurrency(deployment.concurrency)
        return config.content, _of_config(config).model_copy(
            update={
                "deployment_id": deployment.id,
                "inputs": json.loads(deployment.inputs),
                "failure_policy": FailurePolicy(deployment.failure_policy),
                "park_timeout": deployment.park_timeout,
                "concurrency": concurrency,
                "lane": None if concurrency is Concurrency.PARALLEL else lane_of(deployment),
            }
        )

    async def _compiled(self, content_hash: str, text: str) -> str:
        known = self._known.get(content_hash)
        if known is None:
            made = await self.compilers.run(compiled, text)
            if isinstance(made, RunError):
                raise NotLoadable(made)
            known = self._known[content_hash] = made
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return known

    def activities(self) -> list[Callable[..., Any]]:
        return [self.load_program, self.patch_program]


def _refusal(kind: str, message: str) -> NotLoadable:
    return NotLoadable(RunError(kind=kind, message=message))


def _of_config(config: Config) -> LoadResult:
    return LoadResult(
        program_hash=config.content_hash,
        config_id=config.id,
        version=config.version,
        workspace=WorkspaceSeed.model_validate_json(config.workspace) if config.workspace else None,
    )
