"""What routes ask for in their signature: the caller with a permission, rows, Temporal, a page, a key."""

from __future__ import annotations

import asyncio
import pathlib
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from temporalio.client import Client

from codeai.api.allowances import Allowances
from codeai.api.auth.caller import Caller, ClaimNames, caller_of, texts_at
from codeai.api.auth.keys import InvalidToken, KeysAway
from codeai.api.auth.rolebook import RoleBook
from codeai.api.auth.tokens import Verifier
from codeai.api.compiling import Compilers
from codeai.api.health import Health
from codeai.api.problems import Refused
from codeai.api.streams import Wakes
from codeai.log_context import bind
from codeai.observing import Observing
from codeai.persistence.pages import Page
from codeai.persistence.query import TIME_LIMIT
from codeai.persistence.reads import Reads
from codeai.settings import MetricsSettings

MOST_OFFSET = 10_000


@dataclass(frozen=True, slots=True)
class Parts:
    """What the API works with; made when it starts."""

    database: Reads
    temporal: Client
    compilers: Compilers
    wakes: Wakes
    verifier: Verifier
    allowances: Allowances
    roles: RoleBook
    health: Health
    claims: ClaimNames
    observing: Observing
    metrics: MetricsSettings
    seal_key: str | None = None
    signing_key: str | None = None
    """What decisions are signed with."""
    data: pathlib.Path = pathlib.Path()
    """A folder on the disk that runs fill."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server is told to stop: what would take long ends early."""


def parts_of(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


async def optional_caller(request: Request) -> Caller | None:
    """The caller, or None without an Authorization header. Raises Refused: unauthenticated for a bad one,
    rate_limited for one who asks too often."""
    known: Caller | None = getattr(request.state, "caller", None)
    if known is not None:
        return known
    headers = request.headers.getlist("authorization")
    if not headers:
        return None
    parts = parts_of(request)
    try:
        if len(headers) > 1:
            raise InvalidToken("there is more than one Authorization header")
        claims = await parts.verifier.claims(headers[0])
    except InvalidToken as error:
        raise _unauthenticated(f"the token is refused: {error}", "invalid_token") from None
    except KeysAway:
        raise Refused(
            "no_keys", "the issuer's keys cannot be read (JWKS_URL); try again in a moment"
        ) from None
    bind(user_id=str(claims["sub"]))
    parts.allowances.request(str(claims["sub"]))
    named, permissions = texts_at(claims, parts.claims.roles), texts_at(claims, parts.claims.permissions)
    request.state.caller = caller_of(claims, named, permissions, await parts.roles.roles(named))
    return caller_known(request)


def caller_known(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


class Gate(SecurityBase):
    """A dependency that lets callers in who have all of `permissions`, or any of `either` where there are some, and
    hold `role`; any caller where nothing is asked for. It stands in the OpenAPI as the token that it wants."""

    model = HTTPBearer(bearerFormat="JWT")
    scheme_name = "bearer"

    def __init__(self, *permissions: str, either: tuple[str, ...] = (), role: str | None = None) -> None:
        self.permissions = permissions
        self.either = either
        self.role = role

    async def __call__(self, request: Request) -> Caller:
        caller = await optional_caller(request)
        if caller is None:
            raise _unauthenticated("send a token: Authorization: Bearer <token> (codeai token create)")
        missing = [permission for permission in self.permissions if not caller.may(permission)]
        if missing:
            raise Refused("forbidden", f"this needs the permission {' and '.join(missing)}")
        if self.either and not any(map(caller.may, self.either)):
            raise Refused("forbidden", f"this needs the permission {' or '.join(self.either)}")
        if self.role is not None and not caller.holds(self.role):
            raise Refused("forbidden", f"this needs the role {self.role}")
        return caller


def require_permission(permission: str) -> Any:
    """The caller, who has this permission."""
    return Depends(Gate(permission))


def require_all_permissions(*permissions: str) -> Any:
    """The caller, who has all of these."""
    return Depends(Gate(*permissions))


def require_any_permission(*permissions: str) -> Any:
    """The caller, who has one of these at least."""
    return Depends(Gate(either=permissions))


def require_role(role: str) -> Any:
    """The caller, who holds the role, one that inherits it, or everything."""
    return Depends(Gate(role=role))


def require_caller() -> Any:
    """Any caller with a valid token."""
    return Depends(Gate())


def _rows(request: Request) -> Reads:
    database = parts_of(request).database
    return database.within(TIME_LIMIT) if "filter" in request.query_params else database


def _page(
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[
        str | None, Query(max_length=1024, description="next_cursor of the page before")
    ] = None,
    offset: Annotated[int | None, Query(ge=0, le=MOST_OFFSET, description="instead of a cursor")] = None,
) -> Page:
    return Page(limit, cursor, offset)


def _unauthenticated(detail: str, error: str | None = None) -> Refused:
    challenge = 'Bearer realm="codeai"' + (f', error="{error}"' if error else "")
    return Refused("unauthenticated", detail, headers={"WWW-Authenticate": challenge})


Rows = Annotated[Reads, Depends(_rows)]
Using = Annotated[Parts, Depends(parts_of)]
Paged = Annotated[Page, Depends(_page)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="the same key and body give the same answer, without doing it again",
    ),
]
Name = Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[^\x00]+$", description="id or name")]
