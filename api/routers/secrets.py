"""Secrets: sealed here, before anything else sees them; never shown again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field
from sqlalchemy import ColumnElement

from codeai.api.auth.caller import Caller
from codeai.api.changes import MAY_TAKE_LONGER, change
from codeai.api.dependencies import IdempotencyKey, Paged, Rows, Using, require_permission
from codeai.api.etags import IfMatch, etag, matched, must_be_there
from codeai.api.problems import Refused
from codeai.api.queries import filter_of
from codeai.api.routing import Route
from codeai.api.views import ChangedView, Listing, SecretView
from codeai.persistence.reads import Reads
from codeai.persistence.secrets import Secrets
from codeai.sealing import Unfit, seal
from codeai.workflows.contracts.base import Contract
from codeai.workflows.contracts.changes import Action, ChangeInput
from codeai.workflows.contracts.secrets import MOST, NAME

router = APIRouter(prefix="/secrets", tags=["secrets"], route_class=Route)

Where = Annotated[ColumnElement[bool] | None, filter_of("secrets")]

Reader = Annotated[Caller, require_permission("secrets:read")]
Writer = Annotated[Caller, require_permission("secrets:write")]
SecretName = Annotated[str, Path(pattern=NAME, description="letters, digits, `_`, `.` and `-`")]


class SecretValue(Contract):
    """A value to be sealed. `mask`: it is taken out of every output; one under 8 bytes cannot be."""

    value: str = Field(min_length=1, max_length=MOST)
    mask: bool = Field(default=True, strict=True)


@dataclass
class SecretListing(Listing[SecretView]):
    """One page of secrets, and the workers' public key, which seals others."""

    items: list[SecretView]  # pydantic does not see it in the base
    seal_key: str | None = None


@router.put("/{name}", response_model=SecretView | ChangedView, responses=MAY_TAKE_LONGER)
async def put_secret(
    request: Request,
    parts: Using,
    caller: Writer,
    name: SecretName,
    body: SecretValue,
    if_match: IfMatch = None,
) -> Response:
    """Stores a secret, new or in the place of what has its name."""
    if parts.seal_key is None:
        raise Refused("no_seal_key", "there is no key to seal with: set CODEAI_SEAL_PUBLIC_KEY")
    try:
        sealed = seal(parts.seal_key, name, body.value, mask=body.mask)
    except Unfit as unfit:
        raise Refused(
            "invalid", str(unfit), errors=[{"field": "body.value", "message": str(unfit)}]
        ) from None
    asked = ChangeInput(
        kind="secret",
        action=Action.UPDATE,
        id=name,
        body={"sealed": sealed, "mask": body.mask},
        if_match=matched(if_match),
        if_there=must_be_there(if_match),
    )
    return await change(request, parts, caller, None, asked, _shown)


@router.get("")
async def list_secrets(_: Reader, parts: Using, rows: Rows, page: Paged, where: Where) -> SecretListing:
    """The names of the secrets, newest first."""
    found = SecretListing.of(await Secrets(rows).page(page, where), SecretView.of)
    found.seal_key = parts.seal_key
    return found


@router.get("/{name}")
async def show_secret(_: Reader, rows: Rows, response: Response, name: SecretName) -> SecretView:
    """What is known of one secret but its value."""
    found = await _shown(rows, name)
    if found is None:
        raise Refused("not_found", f"there is no secret {name!r}")
    response.headers["ETag"] = etag(found.version)
    return found


@router.delete("/{name}", status_code=204, responses=MAY_TAKE_LONGER)
async def delete_secret(
    request: Request, parts: Using, caller: Writer, name: SecretName, if_match: IfMatch = None
) -> Response:
    """Removes a secret. Runs that ask for it from now on fail."""
    asked = ChangeInput(kind="secret", action=Action.DELETE, id=name, if_match=matched(if_match))
    return await change(request, parts, caller, None, asked)


@router.post("/{name}/rotate", response_model=SecretView | ChangedView, responses=MAY_TAKE_LONGER)
async def rotate_secret(
    request: Request, parts: Using, caller: Writer, name: SecretName, key: IdempotencyKey = None
) -> Response:
    """Seals a secret anew, for the workers' key in force, with the value that it has. A worker does it."""
    asked = ChangeInput(kind="secret", action=Action.UPDATE, id=name, body={"anew": True})
    return await change(request, parts, caller, key, asked, _shown)


async def _shown(rows: Reads, name: str) -> SecretView | None:
    found = await Secrets(rows).get(name)
    return SecretView.of(found) if found else None
