"""Configs: named programs with versions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy import ColumnElement

from codeai.api.auth.caller import Caller
from codeai.api.changes import MAY_TAKE_LONGER, change, id_of
from codeai.api.dependencies import IdempotencyKey, Name, Paged, Rows, Using, require_permission
from codeai.api.etags import IfMatch, etag, matched
from codeai.api.problems import Refused
from codeai.api.queries import filter_of
from codeai.api.routing import Route
from codeai.api.views import ChangedView, ConfigView, Examination, Layout, Listing, ProgramBody, VersionView
from codeai.persistence.configs import Config, Configs
from codeai.persistence.reads import Reads
from codeai.workflows.contracts.changes import Action, ChangeInput, ConfigBody

router = APIRouter(prefix="/configs", tags=["configs"], route_class=Route)

Where = Annotated[ColumnElement[bool] | None, filter_of("configs")]
WhereVersion = Annotated[ColumnElement[bool] | None, filter_of("config_versions")]

Reader = Annotated[Caller, require_permission("configs:read")]
Writer = Annotated[Caller, require_permission("configs:write")]


@router.post("", status_code=201, response_model=ConfigView | ChangedView, responses=MAY_TAKE_LONGER)
async def create_config(
    request: Request, parts: Using, caller: Writer, body: ConfigBody, key: IdempotencyKey = None
) -> Response:
    """Saves a program under a name. One with errors is kept as a draft and cannot be run."""
    asked = ChangeInput(kind="config", action=Action.CREATE, body=body.model_dump(mode="json"))
    return await change(request, parts, caller, key, asked, _shown)


@router.get("")
async def list_configs(_: Reader, rows: Rows, page: Paged, where: Where) -> Listing[ConfigView]:
    """The configs at their newest versions, newest first."""
    return Listing[ConfigView].of(await Configs(rows).page(page, where), ConfigView.of)


@router.post("/validate")
async def validate_config(parts: Using, _: Reader, body: ProgramBody) -> Examination:
    """What is wrong with a program, without saving it."""
    return Examination.read(await parts.compilers.examine(body.content))


@router.post("/format")
async def format_config(parts: Using, _: Reader, body: ProgramBody) -> Layout:
    """A program in the canonical layout, without saving it."""
    found = await parts.compilers.layout(body.content)
    if found["content"] is None:
        raise Refused(
            "invalid_program", "a program with syntax errors has no layout", diagnostics=found["diagnostics"]
        )
    return Layout(content=found["content"])


@router.get("/{id}")
async def show_config(_: Reader, rows: Rows, response: Response, id: Name) -> ConfigView:
    """One config at its newest version."""
    found = await _found(rows, id)
    response.headers["ETag"] = etag(found.version)
    return ConfigView.of(found)


@router.put("/{id}", response_model=ConfigView | ChangedView, responses=MAY_TAKE_LONGER)
async def update_config(
    request: Request,
    parts: Using,
    caller: Writer,
    id: Name,
    body: ConfigBody,
    if_match: IfMatch = None,
    key: IdempotencyKey = None,
) -> Response:
    """Saves the next version. With If-Match only where that version is in force."""
    asked = ChangeInput(
        kind="config",
        action=Action.UPDATE,
        id=await id_of(request, parts, caller, key, id, _found),
        body=body.model_dump(mode="json"),
        if_match=matched(if_match),
    )
    return await change(request, parts, caller, key, asked, _shown)


@router.delete("/{id}", status_code=204, responses=MAY_TAKE_LONGER)
async def delete_config(
    request: Request,
    parts: Using,
    caller: Writer,
    id: Name,
    if_match: IfMatch = None,
    key: IdempotencyKey = None,
) -> Response:
    """Removes a config and its versions. What ran keeps its text."""
    asked = ChangeInput(
        kind="config",
        action=Action.DELETE,
        id=await id_of(request, parts, caller, key, id, _found),
        if_match=matched(if_match),
    )
    return await change(request, parts, caller, key, asked)


@router.get("/{id}/versions")
async def list_config_versions(
    _: Reader, rows: Rows, id: Name, page: Paged, where: WhereVersion
) -> Listing[ConfigView]:
    """All versions of a config, newest first."""
    return Listing[ConfigView].of(
        await Configs(rows).versions((await _found(rows, id)).id, page, where), ConfigView.of
    )


@router.get("/{id}/versions/{number}")
async def show_config_version(
    _: Reader, rows: Rows, id: Name, number: Annotated[int, Path(ge=1, le=2_147_483_647)]
) -> VersionView:
    """One version with its syntax tree."""
    found = await Configs(rows).version((await _found(rows, id)).id, number)
    if found is None:
        raise Refused("not_found", f"config {id!r} has no version {number}")
    return VersionView.of(found)


async def _found(rows: Reads, id: str) -> Config:
    found = await Configs(rows).get(id)
    if found is None:
        raise Refused("not_found", f"there is no config {id!r}")
    return found


async def _shown(rows: Reads, id: str) -> ConfigView | None:
    found = await Configs(rows).get(id)
    return ConfigView.of(found) if found else None
