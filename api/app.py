"""The API, put together: its parts, its edge, its routes and how errors are answered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RetryConfig, RPCError

from codeai.api.auth.tokens import Verifier
from codeai.api.compiling import Compilers
from codeai.api.dependencies import Parts
from codeai.api.edge import Edge
from codeai.api.openapi import PROBLEM_ANSWERS, described_api
from codeai.api.outages import by_rpc_error
from codeai.api.problems import Refused, by_status, field_errors, problem_response
from codeai.api.routers import configs, deployments, executions, health, me, operations
from codeai.api.streams import Wakes
from codeai.persistence.engine import Address, Database

ROUTERS = (configs.router, deployments.router, executions.router, operations.router, me.router, health.router)
"""The resources (★), one file each."""

CONNECT_LIMIT = 2.0
"""Seconds for a new connection to Postgres."""
RETRY_FOR = timedelta(seconds=3)
"""How long one question to Temporal is repeated while it does not answer."""

Opened = Callable[[], AbstractAsyncContextManager[Parts]]


def assemble(opened: Opened, hosts: Iterable[str]) -> FastAPI:
    """The application around the parts that `opened` gives when it starts, answering for `hosts`."""

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
        generate_unique_id_function=_operation_id,
        responses=PROBLEM_ANSWERS,
    )
    for router in ROUTERS:
        app.include_router(router)
    app.openapi = described_api(app)  # type: ignore[method-assign]
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _refused)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RPCError, _refused)
    app.add_middleware(Edge, hosts=frozenset(hosts))
    return app


@asynccontextmanager
async def open_parts(
    database: Address,
    temporal: str,
    namespace: str,
    verifier: Verifier,
    *,
    roles_claim: str = "roles",
    permissions_claim: str = "permissions",
) -> AsyncIterator[Parts]:
    """Connects when first asked, so that the API starts while something is away; closes at the end."""
    rows = Database.connect(database, connect_timeout=CONNECT_LIMIT, label="codeai api")
    client = await Client.connect(
        temporal,
        namespace=namespace,
        data_converter=pydantic_data_converter,
        retry_config=RetryConfig(
            initial_interval_millis=50,
            max_interval_millis=500,
            max_elapsed_time_millis=int(RETRY_FOR.total_seconds() * 1000),
            max_retries=6,
        ),
        identity="codeai api",
        lazy=True,
    )
    compilers = Compilers()
    wakes = Wakes(rows)
    try:
        await compilers.warm_up()
        yield Parts(rows, client, compilers, wakes, verifier, roles_claim, permissions_claim)
    finally:
        await compilers.close()
        await wakes.close()
        await rows.close()


async def _refused(request: Request, error: Exception) -> JSONResponse:
    """Every error that has a meaning, as its problem; what has none is raised for the edge to log."""
    return problem_response(_problem(error), request.scope["state"]["request_id"])


def _problem(error: Exception) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, RequestValidationError):
        errors = field_errors(error.errors())
        return Refused(
            "invalid", "; ".join(f"{one['field']}: {one['message']}" for one in errors), errors=errors
        )
    if isinstance(error, HTTPException):
        refused = by_status(error.status_code, str(error.detail))
        refused.headers.update(error.headers or {})
        return refused
    if isinstance(error, RPCError) and (known := by_rpc_error(error)) is not None:
        return known
    raise error


def _operation_id(route: APIRoute) -> str:
    return route.name
