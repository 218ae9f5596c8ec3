"""Who may use which route: every route there is, asked with every kind of token, against PLATFORM.md, 9."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from codeai.api.app import ROUTERS
from codeai.api.auth.caller import Caller
from codeai.api.dependencies import (
    Gate,
    require_all_permissions,
    require_any_permission,
    require_role,
)
from codeai.api.problems import Refused
from codeai.settings import JwtSettings
from codeai.stack.postgres import free_port
from tests.api.conftest import AUDIENCE, ISSUER, SECRET, Served, serving, token
from tests.api.test_edge import problem

ANYBODY = {"/health", "/health/live", "/health/ready"}
"""Without a token."""
CONTROL = "pause resume retry skip set rollback abort cancel compensate"
OTHERS: dict[str, set[str]] = {
    "POST /configs/validate": {"configs:read"},
    "POST /configs/format": {"configs:read"},
    "POST /deployments/{id}/execute": {"deployments:execute"},
    "POST /deployments/{id}/stop": {"deployments:execute"},
    "POST /deployments/{id}/plan": {"deployments:read"},
    "POST /executions": {"executions:write", "configs:write"},
    "GET /executions/{id}/state": {"executions:inspect"},
    "GET /executions/{id}/trace": {"executions:inspect"},
    "GET /approvals": {"executions:read"},
    "POST /executions/{id}/approve": {"executions:approve"},
    "POST /executions/{id}/reject": {"executions:approve"},
    **{f"POST /executions/{{id}}/{command}": {"executions:control"} for command in CONTROL.split()},
    "POST /executions/{id}/patch": {"executions:control", "configs:write"},
    "POST /schedules/preview": {"schedules:read"},
    "GET /integrations": {"webhooks:read"},
    "POST /query": set(),  # of the entity that the query names
    "GET /operations/{id}": set(),
    "GET /me": set(),
}
"""Where it is not: GET needs `<resource>:read`, every other method `<resource>:write`."""
SHARED = ("configs", "executions", "deployments", "jobs", "schedules", "workflows", "events")
ROLES: dict[str, set[str]] = {
    "viewer": {f"{resource}:read" for resource in SHARED} | {"health:read"},
    "editor": {f"{resource}:{action}" for resource in SHARED for action in ("read", "write", "execute")}
    | {"executions:approve", "executions:control", "executions:inspect", "health:read"},
}
ROUTES = [
    (method, route)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]
GATED = [(method, route) for method, route in ROUTES if route.path not in ANYBODY]
ISSUERS_KEY = RSAKey.generate_key(2048)
PUBLIC_PEM = ISSUERS_KEY.as_pem(private=False).decode()


def needed(method: str, path: str) -> set[str]:
    """The permissions that the contract asks for."""
    resource = path.split("/")[1]
    return OTHERS.get(f"{method} {path}", {f"{resource}:{'read' if method == 'GET' else 'write'}"})


def gates(route: APIRoute) -> list[Gate]:
    return [one.call for one in route.dependant.dependencies if isinstance(one.call, Gate)]


@pytest.mark.parametrize(("method", "route"), GATED, ids=[f"{method} {one.path}" for method, one in GATED])
def test_a_route_declares_its_permission(method: str, route: APIRoute) -> None:
    (gate,) = gates(route)
    assert set(gate.permissions) == needed(method, route.path)


def test_the_table_names_only_what_is_public_or_gated() -> None:
    assert {route.path for _, route in ROUTES if not gates(route)} <= ANYBODY


def claims(**other: Any) -> dict[str, Any]:
    now = int(time.time())
    plain = {"iss": ISSUER, "aud": AUDIENCE, "sub": "eve", "iat": now, "exp": now + 600, "roles": ["admin"]}
    return plain | other


def hs(secret: str = SECRET, **other: Any) -> str:
    return jwt.encode({"alg": "HS256"}, claims(**other), OctKey.import_key(secret), algorithms=["HS256"])


def unsigned() -> str:
    parts = [json.dumps({"alg": "none"}), json.dumps(claims())]
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts) + "."


def rs(key: RSAKey, **header: Any) -> str:
    return jwt.encode({"alg": "RS256", **header}, claims(), key, algorithms=["RS256"])


BAD: dict[str, dict[str, str]] = {
    "no token": {},
    **{
        name: {"Authorization": f"Bearer {bad}"}
        for name, bad in {
            "expired": hs(exp=int(time.time()) - 1),
            "wrong audience": hs(aud="another"),
            "wrong key": hs("a secret of somebody else, long enough"),
            "none": unsigned(),
            "RS where HS is on": rs(RSAKey.generate_key(2048)),
        }.items()
    },
}


def filled(path: str) -> str:
    return (
        path.replace("{id}", "00000000-0000-4000-8000-000000000000")
        .replace("{number}", "1")
        .replace("{name}", "nothing-of-that-name")
    )


async def status_of(client: httpx2.AsyncClient, method: str, path: str, headers: dict[str, str]) -> int:
    """Without its body, which may never end."""
    async with client.stream(method, filled(path), headers=headers) as answer:
        if answer.status_code in (401, 403):
            await answer.aread()
            code = answer.json()["code"]
            assert code == {401: "unauthenticated", 403: "forbidden"}[answer.status_code]
            assert answer.status_code == 403 or answer.headers["www-authenticate"].startswith("Bearer")
        return answer.status_code


@pytest.mark.parametrize(("method", "route"), GATED, ids=[f"{method} {one.path}" for method, one in GATED])
async def test_a_route_is_open_to_who_may_and_to_nobody_else(
    served: Served, with_public_key: Served, method: str, route: APIRoute
) -> None:
    async with served.client() as client:
        for kind, headers in BAD.items():
            assert await status_of(client, method, route.path, headers) == 401, kind
        wanted = needed(method, route.path)
        for role, permitted in ROLES.items():
            headers = {"Authorization": f"Bearer {token(role)}"}
            status = await status_of(client, method, route.path, headers)
            assert (status == 403) is not (wanted <= permitted) and status != 401, role
        headers = {"Authorization": f"Bearer {token('admin')}"}
        assert await status_of(client, method, route.path, headers) not in (401, 403)
    async with with_public_key.client() as client:
        for kind, bad in CONFUSED.items():
            headers = {"Authorization": f"Bearer {bad}"}
            assert await status_of(client, method, route.path, headers) == 401, kind


def confused() -> dict[str, str]:
    """Tokens for an API that has a public key, by somebody who knows that key and no other (RFC 8725, 2.1)."""
    own = RSAKey.generate_key(2048)
    head, body, _ = rs(ISSUERS_KEY).split(".")
    forged = {"HS256 by the public key": hs_by_pem(PUBLIC_PEM), "HS256 by the secret that is set": hs()}
    public = own.as_dict(private=False)
    return forged | {
        "with its own key inside": rs(own, jwk=public),
        "with a URL of its own keys": rs(own, jku="https://evil.example/keys"),
        "with a URL of its own certificate": rs(own, x5u="https://evil.example/cert"),
        "without a signature": f"{head}.{body}.",
    }


def hs_by_pem(pem: str) -> str:
    """HMAC by hand: our library refuses a public key as a secret."""
    parts = [json.dumps({"alg": "HS256"}), json.dumps(claims())]
    text = ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
    seal = hmac.new(pem.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(seal).decode().rstrip('=')}"


CONFUSED = confused()


@pytest.fixture(scope="session")
async def with_public_key(served: Served) -> AsyncIterator[Served]:
    """The same API with an issuer's public key; the secret is set as well, and does not count."""
    settings = replace(
        served.settings,
        server=replace(served.settings.server, port=free_port()),
        jwt=JwtSettings(secret=SECRET, public_key=PUBLIC_PEM, issuer=ISSUER, audience=AUDIENCE),
    )
    async with serving(settings):
        yield replace(served, url=f"http://127.0.0.1:{settings.server.port}", settings=settings)


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
async def test_a_token_of_the_issuers_key_is_taken(with_public_key: Served, algorithm: str) -> None:
    signed = jwt.encode({"alg": algorithm}, claims(), ISSUERS_KEY, algorithms=[algorithm])
    async with with_public_key.client() as client:
        me = await client.get("/me", headers={"Authorization": f"Bearer {signed}"})
    assert (me.status_code, me.json()["subject"]) == (200, "eve")


async def test_two_authorization_headers_are_refused(served: Served) -> None:
    async with served.client() as client:
        good = f"Bearer {token('admin')}"
        twice = await client.get("/me", headers=[("Authorization", good), ("Authorization", good)])
    assert "more than one" in problem(twice, "unauthenticated")["detail"]


@pytest.mark.parametrize(
    ("dependency", "held", "refused"),
    [
        (require_any_permission("a:read", "b:read"), ["b:*"], None),
        (require_any_permission("a:read", "b:read"), ["c:*"], "a:read or b:read"),
        (require_all_permissions("a:read", "b:read"), ["a:read", "b:read"], None),
        (require_all_permissions("a:read", "b:read"), ["a:read"], "the permission b:read"),
        (require_role("boss"), ["*:*"], None),
        (require_role("boss"), ["a:*"], "the role boss"),
    ],
)
async def test_dependencies_let_in_who_has_what_they_ask_for(
    dependency: Any, held: list[str], refused: str | None
) -> None:
    app = FastAPI()

    @app.middleware("http")
    async def known(request: Any, then: Any) -> Any:
        request.state.caller = Caller("somebody", frozenset(), frozenset(held), 0)
        return await then(request)

    @app.get("/")
    async def route(caller: Caller = dependency) -> str:
        return caller.subject

    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
        if refused is None:
            assert (await client.get("/")).json() == "somebody"
        else:
            with pytest.raises(Refused, match=refused):
                await client.get("/")
