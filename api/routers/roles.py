"""Roles: what callers may do who hold them. Changed by a workflow, and in force within a moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy import ColumnElement

from codeai.api.auth.caller import Caller
from codeai.api.changes import MAY_TAKE_LONGER, change
from codeai.api.dependencies import Paged, Parts, Rows, Using, require_permission
from codeai.api.etags import IfMatch, etag, matched, must_be_there
from codeai.api.problems import Refused
from codeai.api.queries import filter_of
from codeai.api.routing import Route
from codeai.api.views import ChangedView, Listing, View
from codeai.persistence.access import Role, Roles
from codeai.persistence.reads import Reads
from codeai.workflows.contracts.changes import Action, ChangeInput, RoleBody
from codeai.workflows.contracts.permissions import ROLE_NAME

router = APIRouter(prefix="/roles", tags=["roles"], route_class=Route)

Where = Annotated[ColumnElement[bool] | None, filter_of("roles")]

Reader = Annotated[Caller, require_permission("roles:read")]
Writer = Annotated[Caller, require_permission("roles:write")]
RoleName = Annotated[str, Path(pattern=ROLE_NAME, description="letters, digits, `.`, `_` and `-`")]


@dataclass
class RoleView(View):
    """A role: what it permits by itself, and which roles it inherits. `version` is its ETag."""

    name: str
    permissions: list[str]
    inherits: list[str]
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Role) -> Self:
        return cls.like(row, permissions=list(row.permissions), inherits=list(row.inherits))


@router.get("")
async def list_roles(_: Reader, rows: Rows, page: Paged, where: Where) -> Listing[RoleView]:
    """The roles, newest first."""
    return Listing[RoleView].of(await Roles(rows).page(page, where), RoleView.of)


@router.get("/{name}")
async def show_role(_: Reader, rows: Rows, response: Response, name: RoleName) -> RoleView:
    """One role."""
    found = await _shown(rows, name)
    if found is None:
        raise Refused("not_found", f"there is no role {name!r}")
    response.headers["ETag"] = etag(found.version)
    return found


@router.put("/{name}", response_model=RoleView | ChangedView, responses=MAY_TAKE_LONGER)
async def put_role(
    request: Request, parts: Using, caller: Writer, name: RoleName, body: RoleBody, if_match: IfMatch = None
) -> Response:
    """Stores a role, new or in the place of what has its name. Nobody can grant what he does not hold."""
    asked = ChangeInput(
        kind="role",
        action=Action.UPDATE,
        id=name,
        body=body.model_dump(mode="json"),
        if_match=matched(if_match),
        if_there=must_be_there(if_match),
    )
    return await _changed(request, parts, caller, asked)


@router.delete("/{name}", status_code=204, responses=MAY_TAKE_LONGER)
async def delete_role(
    request: Request, parts: Using, caller: Writer, name: RoleName, if_match: IfMatch = None
) -> Response:
    """Removes a role that no other inherits. `admin` stays."""
    asked = ChangeInput(kind="role", action=Action.DELETE, id=name, if_match=matched(if_match))
    return await _changed(request, parts, caller, asked)


async def _changed(request: Request, parts: Parts, caller: Caller, asked: ChangeInput) -> Response:
    """Makes the change; this process has it from its answer on, others as soon as they hear of it."""
    asked = asked.model_copy(update={"held": tuple(sorted(caller.permissions))})
    try:
        return await change(request, parts, caller, None, asked, _shown)
    finally:
        parts.roles.drop()


async def _shown(rows: Reads, name: str) -> RoleView | None:
    found = await Roles(rows).get(name)
    return RoleView.of(found) if found else None
