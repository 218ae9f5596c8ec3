"""Every route declares in its signature who may use it: the table of PLATFORM.md, 9."""

from __future__ import annotations

import httpx2
import pytest
from fastapi.routing import APIRoute

from codeai.api.app import ROUTERS
from codeai.api.dependencies import Gate
from tests.api.conftest import Served

PUBLIC = {"/health", "/health/live", "/health/ready"}
TABLE = {
    "GET /configs": {"configs:read"},
    "POST /configs": {"configs:write"},
    "POST /configs/validate": {"configs:read"},
    "POST /configs/format": {"configs:read"},
    "GET /configs/{id}": {"configs:read"},
    "PUT /configs/{id}": {"configs:write"},
    "DELETE /configs/{id}": {"configs:write"},
    "GET /configs/{id}/versions": {"configs:read"},
    "GET /configs/{id}/versions/{number}": {"configs:read"},
    "GET /deployments": {"deployments:read"},
    "POST /deployments": {"deployments:write"},
    "GET /deployments/{id}": {"deployments:read"},
    "PUT /deployments/{id}": {"deployments:write"},
    "DELETE /deployments/{id}": {"deployments:write"},
    "POST /deployments/{id}/execute": {"deployments:execute"},
    "POST /deployments/{id}/stop": {"deployments:execute"},
    "GET /executions": {"executions:read"},
    "POST /executions": {"executions:write", "configs:write"},
    "GET /executions/{id}": {"executions:read"},
    "GET /executions/{id}/result": {"executions:read"},
    "GET /executions/{id}/steps": {"executions:read"},
    "GET /executions/{id}/logs": {"executions:read"},
    "GET /executions/{id}/state": {"executions:inspect"},
    "GET /executions/{id}/trace": {"executions:inspect"},
    "POST /executions/{id}/cancel": {"executions:control"},
    "POST /executions/{id}/approve": {"executions:approve"},
    "POST /executions/{id}/reject": {"executions:approve"},
    "POST /executions/{id}/pause": {"executions:control"},
    "POST /executions/{id}/resume": {"executions:control"},
    "POST /executions/{id}/compensate": {"executions:control"},
    "GET /approvals": {"executions:read"},
    "GET /events": {"events:read"},
    "POST /events": {"events:write"},
    "GET /events/stream": {"events:read"},
    "GET /events/{id}": {"events:read"},
    "POST /deployments/{id}/plan": {"deployments:read"},
    "GET /secrets": {"secrets:read"},
    "GET /secrets/{name}": {"secrets:read"},
    "PUT /secrets/{name}": {"secrets:write"},
    "POST /secrets/{name}/rotate": {"secrets:write"},
    "DELETE /secrets/{name}": {"secrets:write"},
    "GET /operations/{id}": set(),
    "GET /me": set(),
}
ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


def test_every_route_declares_its_permission() -> None:
    declared = {
        f"{method} {route.path}": {permission for gate in gates(route) for permission in gate.permissions}
        for route in ROUTES
        if route.path not in PUBLIC
        for method in route.methods or ()
    }
    assert declared == TABLE
    assert all(len(gates(route)) == 1 for route in ROUTES if route.path not in PUBLIC)


def gates(route: APIRoute) -> list[Gate]:
    return [one.call for one in route.dependant.dependencies if isinstance(one.call, Gate)]


@pytest.mark.parametrize("line", TABLE)
async def test_a_route_is_closed_to_who_has_all_other_permissions(served: Served, line: str) -> None:
    method, path = line.split()
    async with served.client() as nobody:
        assert (await asked(nobody, method, path)).status_code == 401
    async with served.client("no such role") as powerless:
        status = (await asked(powerless, method, path)).status_code
    assert status == 403 if TABLE[line] else status in (200, 404)


async def asked(client: httpx2.AsyncClient, method: str, path: str) -> httpx2.Response:
    filled = path.replace("{id}", "00000000-0000-4000-8000-000000000000").replace("{number}", "1")
    return await client.request(method, filled)
