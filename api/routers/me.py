"""Who I am, by my token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter

from codeai.api.auth.caller import Caller
from codeai.api.dependencies import require_caller
from codeai.api.routing import Route
from codeai.api.views import View

router = APIRouter(tags=["me"], route_class=Route)


@dataclass
class MeView(View):
    """The caller as the API sees him."""

    subject: str
    roles: list[str]
    permissions: list[str]
    expires_at: datetime


@router.get("/me")
async def show_me(caller: Annotated[Caller, require_caller()]) -> MeView:
    """The caller's subject, roles and permissions."""
    return MeView(
        subject=caller.subject,
        roles=sorted(caller.roles),
        permissions=sorted(caller.permissions),
        expires_at=datetime.fromtimestamp(caller.expires_at, UTC),
    )
