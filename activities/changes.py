"""Changes: validate, then row, audit entry and event in one transaction. A kind is one class here."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from codeai.activities.canonical import canonical
from codeai.activities.compilers import Compilers, examined
from codeai.activities.entries import change_entry
from codeai.activities.telling import row_of, tell_waits
from codeai.activities.unsealing import CannotOpen, Keys
from codeai.activities.updates import update_rows
from codeai.persistence.access import Roles
from codeai.persistence.audit import Audit
from codeai.persistence.base import uuid7
from codeai.persistence.configs import Configs, NewConfig
from codeai.persistence.deployments import Deployments, NewDeployment
from codeai.persistence.engine import Database
from codeai.persistence.errors import (
    InheritsItself,
    InUse,
    NameTaken,
    NoAdmin,
    NoSuch,
    NotHeld,
    Refused,
    VersionDiffers,
)
from codeai.persistence.events import Events
from codeai.persistence.secrets import NewSecret, Secrets
from codeai.workflows.contracts.changes import (
    BODIES,
    UPDATE_ROWS,
    Action,
    ChangeInput,
    ChangeResult,
    ConfigBody,
    DeploymentBody,
    Problem,
    RoleBody,
)
from codeai.workflows.contracts.decoding import InvalidInput, validated
from codeai.workflows.contracts.events import EventMetadata, EventRecord
from codeai.workflows.contracts.kinds import CHANGE_RECORD
from codeai.workflows.contracts.permissions import ADMIN, EVERYTHING, Role, beyond, cycle_of
from codeai.workflows.contracts.secrets import SecretBody, key_id_of

PROBLEMS: tuple[tuple[type[Refused], int, str], ...] = (
    (NameTaken, 409, "conflict"),
    (InUse, 409, "conflict"),
    (VersionDiffers, 412, "precondition_failed"),
    (NoSuch, 422, "invalid"),
    (InheritsItself, 422, "invalid"),
    (NotHeld, 403, "forbidden"),
    (NoAdmin, 409, "conflict"),
)
"""What the rows refuse, as HTTP status and code."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who asked for a change, and what he may himself; None: everything."""

    caller: str | None
    held: frozenset[str] | None = None


class Kind(Protocol):
    """How one kind of thing is changed: each answers False or None where it is not there. `told` is what the audit
    log says of it, before and after."""

    @property
    def path(self) -> str: ...

    async def create(self, rows: AsyncSession, id: str, body: Any, who: Who) -> None: ...
    async def update(
        self, rows: AsyncSession, id: str, body: Any, who: Who, if_match: int | None
    ) -> bool: ...
    async def delete(self, rows: AsyncSession, id: str, if_match: int | None) -> bool: ...
    async def told(self, rows: AsyncSession, id: str) -> dict[str, Any] | None: ...


@dataclass(frozen=True, slots=True)
class ConfigKind:
    """Configs: an invalid program is saved as a draft, with what is wrong with it."""

    compilers: Compilers
    path: str = "/configs"

    async def create(self, rows: AsyncSession, id: str, body: ConfigBody, who: Who) -> None:
        await Configs(rows).create(id, await self._row(body, who))

    async def update(
        self, rows: AsyncSession, id: str, body: ConfigBody, who: Who, if_match: int | None
    ) -> bool:
        return await Configs(rows).update(id, await self._row(body, who), if_match) is not None

    async def delete(self, rows: AsyncSession, id: str, if_match: int | None) -> bool:
        return await Configs(rows).delete(id, if_match)

    async def told(self, rows: AsyncSession, id: str) -> dict[str, Any] | None:
        """The program by its hash: the text stays among the blobs."""
        row = await Configs(rows).get(id)
        if row is None:
            return None
        workspace = json.loads(row.workspace) if row.workspace else None
        return {
            "name": row.name,
            "version": row.version,
            "content_hash": row.content_hash,
            "workspace": workspace,
        }

    async def _row(self, body: ConfigBody, who: Who) -> NewConfig:
        ast, errors = await self.compilers.run(examined, body.content)
        workspace = canonical(body.workspace) if body.workspace else None
        return NewConfig(body.name, body.content, ast, errors, workspace, who.caller)


class DeploymentKind:
    """Deployments: the config that one names must be there."""

    path = "/deployments"

    async def create(self, rows: AsyncSession, id: str, body: DeploymentBody, who: Who) -> None:
        await Deployments(rows).create(id, await self._row(rows, body, who))

    async def update(
        self, rows: AsyncSession, id: str, body: DeploymentBody, who: Who, if_match: int | None
    ) -> bool:
        return await Deployments(rows).update(id, await self._row(rows, body, who), if_match) is not None

    async def delete(self, rows: AsyncSession, id: str, if_match: int | None) -> bool:
        return await Deployments(rows).delete(id, if_match)

    async def told(self, rows: AsyncSession, id: str) -> dict[str, Any] | None:
        row = await Deployments(rows).get(id)
        if row is None:
            return None
        fields = {name: getattr(row, name) for name in DeploymentBody.model_fields}
        return fields | {"inputs": json.loads(row.inputs), "revision": row.revision}

    async def _row(self, rows: AsyncSession, body: DeploymentBody, who: Who) -> NewDeployment:
        config_id = body.config_id
        if config_id is not None:
            config = await Configs(rows).get(config_id)
            if config is None:
                raise NoSuch("config", config_id)
            if body.version is not None and await Configs(rows).version(config.id, body.version) is None:
                raise NoSuch("config version", f"{config_id} {body.version}")
            config_id = config.id
        return NewDeployment(
            name=body.name,
            config_id=config_id,
            version=body.version,
            inputs=canonical(body.inputs),
            failure_policy=body.failure_policy.value,
            park_timeout=body.park_timeout,
            concurrency=body.concurrency,
            concurrency_key=body.concurrency_key,
            created_by=who.caller,
        )


@dataclass(frozen=True, slots=True)
class SecretKind:
    """Secrets: stored as they were sealed, new or in the place of what has the name; or sealed anew."""

    keys: Keys
    path: str = "/secrets"

    async def create(self, rows: AsyncSession, id: str, body: SecretBody, who: Who) -> None:
        if body.sealed is None:
            raise NoSuch("secret", id)
        await Secrets(rows).create(_sealed(id, body.sealed, body.mask, who))

    async def update(
        self, rows: AsyncSession, id: str, body: SecretBody, who: Who, if_match: int | None
    ) -> bool:
        if body.sealed is not None:
            await Secrets(rows).put(_sealed(id, body.sealed, body.mask, who), if_match)
            return True
        found = (await Secrets(rows).sealed([id])).get(id)
        if found is None:
            return False
        sealed = self.keys.anew(id, found.sealed)
        if sealed != found.sealed:
            await Secrets(rows).put(_sealed(id, sealed, found.mask, who), if_match)
        return True

    async def delete(self, rows: AsyncSession, id: str, if_match: int | None) -> bool:
        return await Secrets(rows).delete(id, if_match)

    async def told(self, rows: AsyncSession, id: str) -> dict[str, Any] | None:
        """What there is but the sealed value."""
        row = await Secrets(rows).get(id)
        return None if row is None else {"mask": row.mask, "key_id": row.key_id, "version": row.version}


def _sealed(name: str, sealed: str, mask: bool, who: Who) -> NewSecret:
    return NewSecret(name, sealed, key_id_of(sealed), mask, who.caller)


class RoleKind:
    """Roles: none inherits itself, nobody gives what he has not, and `admin` stays."""

    path = "/roles"

    async def create(self, rows: AsyncSession, id: str, body: RoleBody, who: Who) -> None:
        await self._check(rows, id, body, who)
        await Roles(rows).create(id, body.permissions, body.inherits)

    async def update(
        self, rows: AsyncSession, id: str, body: RoleBody, who: Who, if_match: int | None
    ) -> bool:
        await self._check(rows, id, body, who)
        await Roles(rows).put(id, body.permissions, body.inherits, if_match)
        return True

    async def delete(self, rows: AsyncSession, id: str, if_match: int | None) -> bool:
        if id == ADMIN:
            raise NoAdmin(id)
        return await Roles(rows).delete(id, if_match)

    async def told(self, rows: AsyncSession, id: str) -> dict[str, Any] | None:
        row = await Roles(rows).get(id)
        if row is None:
            return None
        return {"permissions": row.permissions, "inherits": row.inherits, "version": row.version}

    async def _check(self, rows: AsyncSession, name: str, body: RoleBody, who: Who) -> None:
        """Raises Refused where the role may not be so."""
        roles = {
            one.name: Role(frozenset(one.permissions), one.inherits) for one in await Roles(rows).locked()
        }
        asked = Role(frozenset(body.permissions), body.inherits)
        if way := cycle_of(name, asked.inherits, roles):
            raise InheritsItself(way)
        if missing := [one for one in asked.inherits if one not in roles]:
            raise NoSuch("role", missing[0])
        if who.held is not None and (more := beyond(asked, roles, who.held)):
            raise NotHeld(more)
        if name == ADMIN and EVERYTHING not in asked.permissions:
            raise NoAdmin(name)


def kinds(compilers: Compilers, keys: Keys) -> dict[str, Kind]:
    """What can be changed (★): each name of `BODIES` with how it is done."""
    return {
        "config": ConfigKind(compilers),
        "deployment": DeploymentKind(),
        "secret": SecretKind(keys),
        "role": RoleKind(),
    }


class NotThere(Exception):
    """What is to be changed does not exist."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The activity behind every change."""

    database: Database
    compilers: Compilers
    keys: Keys

    @activity.defn(name="apply_change")
    async def apply_change(self, given: ChangeInput) -> ChangeResult:
        info = activity.info()
        change = change_id(info.workflow_id or "", info.workflow_run_id or "")
        if given.kind == UPDATE_ROWS:
            return await update_rows(self.database, given, change, info.scheduled_time, info.workflow_id)
        kind = kinds(self.compilers, self.keys).get(given.kind)
        if kind is None:
            return _refused(422, "invalid", f"nothing of kind {given.kind!r} can be changed")
        made_at = info.scheduled_time
        id = given.id or uuid7(made_at, change.bytes)
        event = change_event(given, id, change, made_at)
        try:
            body = None if given.action is Action.DELETE else validated(given.body, BODIES[given.kind])
            async with self.database.transaction() as rows:
                if not await Audit(rows).has(str(change)):
                    before = await kind.told(rows, id)
                    if given.if_there and before is None:
                        raise VersionDiffers(given.kind, id, 0)
                    await self._apply(rows, kind, given, id, body)
                    told = {"before": before, "after": await kind.told(rows, id)}
                    await Audit(rows).append(
                        change_entry(given, change, info.workflow_id, f"{given.kind}/{id}", told)
                    )
                    await Events(rows).store(row_of(event))
        except InvalidInput as error:
            return _refused(422, "invalid", str(error), tuple(error.errors))
        except NotThere:
            return _refused(404, "not_found", f"there is no {given.kind} {id!r}")
        except CannotOpen as problem:
            return _refused(409, "conflict", str(problem))
        except Refused as problem:
            status, code = next(
                (status, code) for type_, status, code in PROBLEMS if isinstance(problem, type_)
            )
            return _refused(status, code, str(problem))
        await tell_waits(self.database, event.id, event.type)
        if given.action is Action.DELETE:
            return ChangeResult(status=204)
        return ChangeResult(
            status=201 if given.action is Action.CREATE else 200, resource=f"{kind.path}/{id}"
        )

    async def _apply(self, rows: AsyncSession, kind: Kind, given: ChangeInput, id: str, body: Any) -> None:
        who = Who(given.triggered_by, None if given.held is None else frozenset(given.held))
        if given.action is Action.CREATE:
            await kind.create(rows, id, body, who)
        elif given.action is Action.UPDATE:
            if not await kind.update(rows, id, body, who, given.if_match):
                raise NotThere
        elif not await kind.delete(rows, id, given.if_match):
            raise NotThere

    def activities(self) -> list[Callable[..., Any]]:
        return [self.apply_change]


def change_event(given: ChangeInput, id: str, change: uuid.UUID, made_at: datetime) -> EventRecord:
    """What is published of a change; the same at every attempt."""
    return EventRecord(
        id=str(uuid.uuid5(change, "event")),
        type=f"change.{given.kind}.{given.action.value}d",
        source=CHANGE_RECORD.type,
        timestamp=made_at.timestamp(),
        data={"kind": given.kind, "id": id, "action": given.action.value},
        metadata=EventMetadata(correlation_id=str(change)),
    )


def change_id(workflow_id: str, run_id: str) -> uuid.UUID:
    """The UUID of a change: the one in `change/<uuid>`, else made of the workflow's id and run."""
    try:
        return uuid.UUID(workflow_id.removeprefix("change/"))
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_OID, f"{workflow_id}\n{run_id}")


def _refused(status: int, code: str, detail: str, errors: tuple[dict[str, Any], ...] = ()) -> ChangeResult:
    return ChangeResult(
        status=status, problem=Problem(status=status, code=code, detail=detail, errors=errors)
    )
