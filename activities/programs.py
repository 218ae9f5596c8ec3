"""Loading programs: the text by hash, config or deployment; compiled here, because workflow code parses nothing."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from codeai.dsl.compile import compile_source
from codeai.dsl.program import pack
from codeai.persistence.blobs import Blobs
from codeai.persistence.configs import Config, Configs
from codeai.persistence.deployments import Deployments
from codeai.persistence.engine import Database
from codeai.workflows.contracts.errors import RunError
from codeai.workflows.contracts.executions import FailurePolicy
from codeai.workflows.contracts.records import LoadInput, LoadResult
from codeai.workflows.contracts.shell import WorkspaceSeed

MOST_PACKED = 1024 * 1024
"""Bytes of a compiled program as it travels (PLATFORM.md, 3)."""
KEPT = 256


class NotLoadable(Exception):
    """There is no such program, or it cannot be run."""

    def __init__(
        self, kind: str, message: str, line: int | None = None, details: tuple[Any, ...] = ()
    ) -> None:
        super().__init__(message)
        self.error = RunError(kind=kind, message=message, line=line, details=details or None)


def compiled(text: str) -> str:
    """The packed form of a program. Raises NotLoadable where it has errors or is too large."""
    made = compile_source(text)
    if made.code is None:
        errors = [one for one in made.diagnostics if one.severity == "error"]
        first = errors[0]
        raise NotLoadable(
            "invalid_input",
            f"the program has {len(errors)} error{'s' if len(errors) > 1 else ''}; line {first.line}: {first.message}",
            first.line,
            tuple({"field": f"program:{one.line}:{one.column}", "message": one.message} for one in errors),
        )
    packed = pack(made.code)
    if len(packed) > MOST_PACKED:
        raise NotLoadable(
            "limit", f"the compiled program is over {MOST_PACKED >> 20} MiB; split it with run()"
        )
    return packed


@dataclass(slots=True)
class Programs:
    """Reads programs and compiles them once a process; `compilers` keeps the compiling off the event loop."""

    database: Database
    compilers: Executor
    _known: OrderedDict[str, str] = field(default_factory=OrderedDict)

    @activity.defn(name="load_program")
    async def load_program(self, given: LoadInput) -> LoadResult:
        try:
            async with self.database.transaction() as rows:
                text, found = await self._find(rows, given)
                content_hash = given.program_hash or found.program_hash or await Blobs(rows).put(text)
            code = await self._compiled(content_hash, text)
        except NotLoadable as problem:
            return LoadResult(error=problem.error)
        return found.model_copy(update={"program_hash": content_hash, "code": code})

    async def _find(self, rows: AsyncSession, given: LoadInput) -> tuple[str, LoadResult]:
        if given.program_hash is not None:
            text = await Blobs(rows).get(given.program_hash)
            if text is None:
                raise NotLoadable("not_found", "the program's text is gone from the database")
            return text, LoadResult()
        if given.program is not None:
            return given.program, LoadResult()
        if given.config is not None:
            config = await self._config(rows, given.config, given.version)
            return config.content, _of_config(config)
        if given.deployment is not None:
            return await self._deployment(rows, given.deployment, given.version)
        raise NotLoadable("invalid_input", "one of deployment, config and program must say what to run")

    async def _config(self, rows: AsyncSession, id_or_name: str, version: int | None) -> Config:
        config = await Configs(rows).get(id_or_name)
        if config is not None and version is not None and version != config.version:
            config = await Configs(rows).version(config.id, version)
        if config is None:
            raise NotLoadable(
                "not_found", f"there is no config {id_or_name!r}" + (f" version {version}" if version else "")
            )
        return config

    async def _deployment(
        self, rows: AsyncSession, id_or_name: str, version: int | None
    ) -> tuple[str, LoadResult]:
        deployment = await Deployments(rows).get(id_or_name)
        if deployment is None:
            raise NotLoadable("not_found", f"there is no deployment {id_or_name!r}")
        if deployment.config_id is None:
            raise NotLoadable("no_config", f"deployment {deployment.name!r} has no config yet")
        config = await self._config(rows, deployment.config_id, version or deployment.version)
        return config.content, _of_config(config).model_copy(
            update={
                "deployment_id": deployment.id,
                "inputs": json.loads(deployment.inputs),
                "failure_policy": FailurePolicy(deployment.failure_policy),
            }
        )

    async def _compiled(self, content_hash: str, text: str) -> str:
        known = self._known.get(content_hash)
        if known is None:
            known = await asyncio.get_running_loop().run_in_executor(self.compilers, compiled, text)
            self._known[content_hash] = known
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return known

    def activities(self) -> list[Callable[..., Any]]:
        return [self.load_program]


def _of_config(config: Config) -> LoadResult:
    return LoadResult(
        program_hash=config.content_hash,
        config_id=config.id,
        version=config.version,
        workspace=WorkspaceSeed.model_validate_json(config.workspace) if config.workspace else None,
    )
