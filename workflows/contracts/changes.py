"""`ChangeRecord`: every create, update and delete of what people configure."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from codeai.workflows.contracts.base import Contract, at_most, canonical_uuid
from codeai.workflows.contracts.decoding import InvalidInput, validated
from codeai.workflows.contracts.executions import FailurePolicy, ParkTimeout
from codeai.workflows.contracts.permissions import MOST_INHERITED, MOST_PERMISSIONS, PERMISSION, ROLE_NAME
from codeai.workflows.contracts.secrets import NAME, SecretBody
from codeai.workflows.contracts.shell import SeedBody

MOST_KEY = 900
"""Bytes of a concurrency key: Temporal takes workflow ids of 1,000."""


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class ConfigBody(Contract):
    """A named program. Every save makes an immutable, numbered version; an invalid one is a draft."""

    name: str = Field(min_length=1, max_length=255)
    content: str = Field(max_length=1_048_576)
    workspace: SeedBody | None = None


class DeploymentBody(Contract):
    """What is run, with which inputs, and what happens when it fails."""

    name: str = Field(min_length=1, max_length=255)
    config_id: str | None = None
    version: int | None = Field(None, ge=1, le=2_147_483_647)
    inputs: dict[str, Any] = Field(default_factory=dict)
    failure_policy: FailurePolicy = FailurePolicy.UNDO
    park_timeout: ParkTimeout | None = Field(None, description="seconds; default 7 days")
    concurrency: str = Field("queue", pattern="^(queue|replace|reject|parallel)$")
    concurrency_key: str | None = Field(None, max_length=255)

    @field_validator("concurrency_key")
    @classmethod
    def _is_part_of_an_id(cls, key: str | None) -> str | None:
        if key is not None and len(key.encode()) > MOST_KEY:
            raise ValueError(f"has more than {MOST_KEY} bytes as UTF-8: a lane's workflow has it in its id")
        return key


class RoleBody(Contract):
    """What a role permits: its own permissions, and those of the roles that it inherits."""

    permissions: Annotated[
        tuple[Annotated[str, Field(pattern=PERMISSION)], ...], at_most(MOST_PERMISSIONS, "permissions")
    ] = Field((), max_length=MOST_PERMISSIONS)
    inherits: Annotated[
        tuple[Annotated[str, Field(pattern=ROLE_NAME)], ...], at_most(MOST_INHERITED, "inherited roles")
    ] = Field((), max_length=MOST_INHERITED)


BODIES: dict[str, type[Contract]] = {
    "config": ConfigBody,
    "deployment": DeploymentBody,
    "secret": SecretBody,
    "role": RoleBody,
}
"""What can be changed (★): the kind and its body."""
NAMED: dict[str, str] = {"secret": NAME, "role": ROLE_NAME}
"""Kinds whose things have a name instead of a UUID, and what such a name looks like."""


UPDATE_ROWS = "query"
"""The kind of a change that an UPDATE of the query language makes, of many things at once."""
UPDATED_KINDS: dict[str, str] = {"deployments": "deployment"}
"""What an UPDATE may change (★): the entity of queries, and the kind of its things."""


class UpdateRowsBody(Contract):
    """A query with the values of its `@params`."""

    query: str = Field(max_length=4096)
    params: dict[str, Any] = Field(default_factory=dict)


class ChangeInput(Contract):
    """One change. `id` names what is updated or deleted; a create may bring the id it wants. It is a UUID, or the
    name of what has one instead, which every change of it gives."""

    kind: str
    action: Action
    id: str | None = Field(None, validate_default=True)
    body: dict[str, Any] = Field(default_factory=dict)
    if_match: int | None = Field(None, description="the version that the caller saw")
    if_there: bool = Field(False, description="an update of what is not there makes nothing")
    triggered_by: str | None = None
    request_id: str | None = None
    held: tuple[str, ...] | None = Field(
        None, description="the permissions of who asks; without it all, as who reaches Temporal has"
    )

    @field_validator("id")
    @classmethod
    def _fits_its_kind(cls, id: str | None, info: ValidationInfo) -> str | None:
        name = NAMED.get(info.data.get("kind", ""))
        if name is None:
            return None if id is None else canonical_uuid(id)
        if id is None or re.fullmatch(name, id) is None:
            raise ValueError(f"must be a name that matches {name}")
        return id

    @model_validator(mode="after")
    def _has_no_clear_secret(self) -> Self:
        """Refused here, in the workflow: an activity's input would stand in the history once more."""
        if self.kind == "secret" and (self.action is not Action.DELETE or self.body):
            try:
                validated(self.body, SecretBody)
            except InvalidInput as problem:
                raise PydanticCustomError("secret", "body: {why}", {"why": str(problem)}) from None
        return self


class Problem(Contract):
    """Why a change was refused, in the words of RFC 9457."""

    status: int
    code: str
    detail: str
    errors: tuple[dict[str, Any], ...] = ()
    diagnostics: tuple[dict[str, Any], ...] = ()


class ChangeResult(Contract):
    """What became of it: `resource` is the URL path and `body` the view, or `problem` says why not."""

    status: int = 200
    resource: str | None = None
    body: dict[str, Any] | None = None
    problem: Problem | None = None
