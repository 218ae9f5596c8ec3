"""Approvals: what waits for a person, over all runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from sqlalchemy import ColumnElement

from codeai.api.auth.caller import Caller
from codeai.api.dependencies import Paged, Rows, require_permission
from codeai.api.queries import filter_of
from codeai.api.routing import Route
from codeai.api.views import ApprovalView, Listing
from codeai.persistence.approvals import Approvals

router = APIRouter(prefix="/approvals", tags=["executions"], route_class=Route)

Where = Annotated[ColumnElement[bool] | None, filter_of("approvals")]

Reader = Annotated[Caller, require_permission("executions:read")]


@router.get("")
async def list_approvals(_: Reader, rows: Rows, page: Paged, where: Where) -> Listing[ApprovalView]:
    """The open approvals of all runs, newest first. `approve` and `reject` of the execution decide them."""
    return Listing[ApprovalView].of(await Approvals(rows).open(page, where), ApprovalView.of)
