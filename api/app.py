"""The API, put together: its parts, its edge, its routes and how errors are answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from importlib.metadata import version
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Match
from temporalio.service import RetryConfig, RPCError

from codeai.api.active_runs import counted
from codeai.api.allowances import Allowances
from codeai.api.auth.caller import ClaimNames
from codeai.api.auth.jwks import RemoteKeys, fetched_by
from codeai.api.auth.keys import Keys, public_key, shared_secret
from codeai.api.auth.rolebook import RoleBook
from codeai.api.auth.tokens import Verifier
from codeai.api.compiling import Compilers
from codeai.api.cross_origin import CrossOrigin
from codeai.api.dependencies import Parts
from codeai.api.edge import TIME_LIMIT, Edge, host_names
from codeai.api.ended_runs import ended_runs_mended
from codeai.api.health import Health
from codeai.api.openapi import described_api
from codeai.api.outages import NO_ROWS, by_database_error, by_temporal_error
from codeai.api.problems import Refused, by_status, problem_response
from codeai.api.routers import (
    approvals,
    audit,
    commands,
    configs,
    deployments,
    events,
    executions,
    health,
    inspection,
    me,
    metrics,
    operations,
    query,
    roles,
    secrets,
)
from codeai.api.streams import Wakes
from codeai.integration.client import outbound_client
from codeai.observing import Observing
from codeai.persistence.engine import Address
from codeai.persistence.pool import Telling
from codeai.persistence.reads import Reads
from codeai.settings import BadSettings, Settings
from codeai.targets import Target
from codeai.temporal import connect
from codeai.workflows.contracts.decoding import field_errors

ROUTERS = (
    executions.router,
    deployments.router,
    configs.router,
    inspection.router,
    commands.router,
    approvals.router,
    events.router,
    secrets.router,
    roles.router,
    audit.router,
    query.router,
    operations.router,
    me.router,
    health.router,
    metrics.router,
)
"""The resources (★), one file each; what is asked most stands first, where it is found first."""

CONNECT_LIMIT = 2.0
"""Seconds for a new connection to Postgres."""
RETRY = RetryConfig(
    initial_interval_millis=50, max_interval_millis=500, max_elapsed_time_millis=3000, max_retries=6
)
"""How one question to Temporal is repeated while it does not answer."""

Opened = Callable[[], AbstractAsyncContextManager[Parts]]


def assemble(
    opened: Opened,
    observing: Observing,
    hosts: Iterable[str],
    time_limit: float = TIME_LIMIT,
    cors_origins: Iterable[str] = (),
) -> FastAPI:
    """The application around the parts that `opened` gives when it starts, answering for `hosts`, and for pages of
    `cors_origins` besides its own; requests may take `time_limit` seconds."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opened() as parts:
            app.state.parts = parts
            yield

    app = FastAPI(
        title="CodeAI",
        version=version("codeai"),
        description="Programs that run durably on Temporal. A change is a workflow, a read comes from Postgres.",
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
    )
    # As they are: included ones would look for their routes twice. They come before those of the framework.
    app.router.routes[:0] = [route for router in ROUTERS for route in router.routes]
    app.openapi = described_api(app)  # type: ignore[method-assign]
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _refused)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RPCError, _refused)
    for why in NO_ROWS:
        app.add_exception_handler(why, _refused)
    app.add_exception_handler(RuntimeError, _refused)
    app.add_middleware(
        Edge,
        observing=observing,
        hosts=frozenset(hosts),
        cross_origin=CrossOrigin(frozenset(cors_origins)),
        time_limit=time_limit,
    )
    return app


def create_app(settings: Settings) -> FastAPI:
    """The application as `codeai serve` runs it. Raises BadSettings where tokens could not be checked."""
    server = settings.server
    _check(settings)
    observing = Observing.by(settings, "api")
    return assemble(
        lambda: open_parts(settings, observing),
        observing,
        host_names(server.host, server.allowed_hosts),
        server.timeout,
        server.cors_origins,
    )


@asynccontextmanager
async def open_parts(settings: Settings, observing: Observing) -> AsyncIterator[Parts]:
    """Connects when first asked, so that the API starts while something is away; closes at the end."""
    of = settings.database
    address = Address(of.host, of.port, of.name, of.api_user, of.api_password, of.sslmode)
    figures = observing.metrics
    telling = Telling(settings.logging.slow_query, figures.query_ended)
    temporal = await connect(settings.temporal, "codeai api", observing, lazy=True, retry=RETRY)
    compilers = Compilers()
    wakes = Wakes(address)
    jwt = settings.jwt
    try:
        await compilers.warm_up()
        async with (
            Reads.opened(address, telling, connect_timeout=CONNECT_LIMIT, label="codeai api") as database,
            _keys(settings) as keys,
            RoleBook(database).listening() as book,
            counted(temporal, figures),
            ended_runs_mended(temporal, database),
        ):
            figures.count_connections(database.connections_in_use)
            yield Parts(
                database,
                temporal,
                compilers,
                wakes,
                Verifier(keys, str(jwt.issuer), str(jwt.audience)),
                Allowances(settings.server.rate),
                book,
                Health(database, temporal),
                ClaimNames(jwt.roles_claim, jwt.permissions_claim),
                observing,
                settings.metrics,
                settings.seal.public_key,
                settings.approvals.private_key,
                settings.server.data,
            )
    finally:
        await compilers.close()
        await wakes.close()
        observing.close()


def _check(settings: Settings) -> None:
    """Raises BadSettings where no token could be checked, or no decision be taken."""
    jwt = settings.jwt
    problems = []
    if settings.approvals.require_api and not settings.approvals.private_key:
        problems.append(
            "approvals.require_api is set: the API needs approvals.private_key (codeai approvals key)"
        )
    if not (jwt.secret or jwt.public_key or jwt.jwks_url):
        problems.append(
            "JWT_SECRET, JWT_PUBLIC_KEY or JWKS_URL must be set: the API takes no request without a token"
        )
    if not jwt.issuer:
        problems.append("JWT_ISSUER must be set: whose tokens the API takes")
    if not jwt.audience:
        problems.append("JWT_AUDIENCE must be set: whom its tokens are for")
    if problems:
        raise BadSettings(problems)


@asynccontextmanager
async def _keys(settings: Settings) -> AsyncIterator[Keys]:
    """What tokens are checked with. A public key takes the place of the secret: never both."""
    jwt = settings.jwt
    if jwt.jwks_url:
        issuer = Target.read(urlsplit(jwt.jwks_url).netloc)
        outbound = replace(settings.outbound, allow=(*settings.outbound.allow, issuer))
        async with outbound_client(outbound) as client:
            yield RemoteKeys(fetched_by(client, jwt.jwks_url))
    else:
        yield public_key(jwt.public_key) if jwt.public_key else shared_secret(str(jwt.secret))


async def _refused(request: Request, error: Exception) -> JSONResponse:
    """Every error that has a meaning, as its problem; what has none is raised for the edge to log."""
    refused = _problem(error)
    if refused.code == "method_not_allowed":
        refused.headers["Allow"] = ", ".join(sorted(_methods(request)))
        refused.detail = f"this path takes {refused.headers['Allow']}"
    return problem_response(refused, request.scope["state"]["request_id"])


def _methods(request: Request) -> set[str]:
    """What the path of a request knows: the framework tells only the methods of one of its routes."""
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    meant = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in meant if route.path == meant[0].path for method in route.methods or ()}


def _problem(error: Exception) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, RequestValidationError):
        errors = field_errors(error.errors())
        return Refused(
            "invalid", "; ".join(f"{one['field']}: {one['message']}" for one in errors), errors=errors
        )
    if isinstance(error, HTTPException):
        nothing = error.status_code == 404
        detail = (
            "nothing is at this path; GET /openapi.json has all there are" if nothing else str(error.detail)
        )
        refused = by_status(error.status_code, detail)
        refused.headers.update(error.headers or {})
        return refused
    if isinstance(error, NO_ROWS):
        return by_database_error(error)
    if (known := by_temporal_error(error)) is not None:
        return known
    raise error
