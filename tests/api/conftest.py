"""A served API on a real Postgres and a real Temporal, with a worker for everything but shell commands."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import sentinel

import httpx2
import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from codeai import sealing, signing
from codeai.activities.changes import Changes
from codeai.activities.checkpoints import CheckpointRecords
from codeai.activities.claims import Claims
from codeai.activities.compilers import Compilers
from codeai.activities.decisions import Decisions
from codeai.activities.effects.events import EventEffects
from codeai.activities.lanes import Lanes
from codeai.activities.programs import Programs
from codeai.activities.publishing import Publishing
from codeai.activities.records import Records
from codeai.activities.unsealing import Keys
from codeai.api.app import create_app
from codeai.api.server import Server as ApiServer
from codeai.persistence.engine import Address, Database
from codeai.persistence.reads import Reads
from codeai.persistence.roles import API, WORKER
from codeai.settings import (
    ApprovalsSettings,
    DatabaseSettings,
    JwtSettings,
    SealSettings,
    ServerSettings,
    Settings,
    TemporalSettings,
)
from codeai.stack.postgres import free_port
from codeai.stack.tokens import sign
from codeai.workers import registry
from codeai.workers.run import STICKY
from codeai.workers.runner import QuietRunner
from codeai.workflows.contracts.executions import Budget
from codeai.workflows.contracts.queues import EXEC, WORKFLOWS
from tests.dev_server import dev_server
from tests.postgres import PASSWORD, Server

SECRET = "a secret of these tests, long enough for HS256"
PRIVATE_KEY, OLD_PRIVATE_KEY = sealing.new_private(), sealing.new_private()
"""Opens what the served API has sealed; it is not told it."""
SIGNING_KEY = sealing.new_private()
"""What the served API signs decisions with."""
ISSUER, AUDIENCE = "tests", "codeai-tests"
ATTRIBUTES = ("CodeAIKind", "CodeAIEntity", "CodeAIStatus", "CodeAITriggeredBy")


def token(*roles: str, subject: str = "somebody", lifetime: float = 3600) -> str:
    """A token that the served API takes."""
    return sign(SECRET, subject=subject, roles=roles, lifetime=lifetime, issuer=ISSUER, audience=AUDIENCE)


def bearer(*roles: str, subject: str = "somebody") -> dict[str, str]:
    """The header with such a token."""
    return {"Authorization": f"Bearer {token(*roles, subject=subject)}"}


@dataclass(frozen=True)
class Served:
    """Where the API is, and what is behind it."""

    url: str
    settings: Settings
    temporal: Client
    database: Database

    def client(self, *roles: str, subject: str = "somebody", **more: Any) -> httpx2.AsyncClient:
        """A client with a token for `roles`; without roles it sends no token."""
        headers = bearer(*roles, subject=subject) if roles else {}
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=70, **more)


@pytest.fixture(scope="session")
async def temporal() -> AsyncIterator[Client]:
    async with dev_server() as server:
        yield server.client


@pytest.fixture(scope="session")
async def api_address(migrated: Server) -> AsyncIterator[Address]:
    """A database for all tests of the API."""
    async with migrated.new() as address:
        yield address


@pytest.fixture(scope="session")
async def reads(api_address: Address) -> AsyncIterator[Reads]:
    """The database as the API asks it."""
    async with Reads.opened(api_address.as_user(API, PASSWORD)) as reads:
        yield reads


@pytest.fixture(scope="session")
async def served(api_address: Address, temporal: Client) -> AsyncIterator[Served]:
    """The API as `codeai serve` runs it, with a worker."""
    database = Database.connect(api_address.as_user(WORKER, PASSWORD))
    settings = settings_for(api_address, temporal.service_client.config.target_host)
    async with working(temporal, database), serving(settings):
        yield Served(f"http://127.0.0.1:{settings.server.port}", settings, temporal, database)
    await database.close()


def settings_for(address: Address, temporal: str) -> Settings:
    """Settings of an API on that database and that Temporal, on a free port."""
    return Settings(
        server=ServerSettings(port=free_port(), rate=None),
        database=DatabaseSettings(
            host=address.host, port=address.port, name=address.name, api_user=API, api_password=PASSWORD
        ),
        temporal=TemporalSettings(address=temporal),
        jwt=JwtSettings(secret=SECRET, issuer=ISSUER, audience=AUDIENCE),
        seal=SealSettings(public_key=sealing.public_of(PRIVATE_KEY)),
        approvals=ApprovalsSettings(private_key=SIGNING_KEY),
    )


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[None]:
    """The API on its port, in this event loop."""
    server = ApiServer(create_app(settings), settings.server)
    server.config.timeout_graceful_shutdown = 1
    running = asyncio.create_task(server._serve())
    while not server.started:
        assert not running.done(), running.exception()
        await asyncio.sleep(0.02)
    try:
        yield
    finally:
        server.should_exit = True  # not force_exit: that leaves the application's lifespan pending for ever
        await running


@contextlib.asynccontextmanager
async def working(temporal: Client, database: Database) -> AsyncIterator[None]:
    """A worker for workflows and records; no shell command can be run."""
    with contextlib.closing(Compilers()) as pool:
        activities = [
            *Records(database).activities(),
            *CheckpointRecords(database).activities(),
            *Programs(database, pool).activities(),
            *Changes(database, pool, Keys([PRIVATE_KEY, OLD_PRIVATE_KEY])).activities(),
            *Decisions((signing.public_of(SIGNING_KEY),), require_api=False).activities(),
            *EventEffects(database).activities(),
            *Lanes(database, None).activities(),
            *Publishing(database).activities(),
        ]
        runner = QuietRunner()
        worker = Worker(
            temporal,
            task_queue=WORKFLOWS,
            workflows=registry.WORKFLOWS,
            activities=activities,
            workflow_runner=runner,
            sticky_queue_schedule_to_start_timeout=STICKY,
        )
        runner.serve(worker)
        async with (
            worker,
            Worker(
                temporal,
                task_queue=EXEC,
                activities=Claims(database, "a-host", "a-spool", Budget(), sentinel.slots, None).activities(),
            ),
        ):
            yield


@pytest.fixture
async def admin(served: Served) -> AsyncIterator[httpx2.AsyncClient]:
    async with served.client("admin") as client:
        yield client


@pytest.fixture
async def without_postgres(served: Served) -> AsyncIterator[httpx2.AsyncClient]:
    """The API where nothing listens on Postgres' port; the worker has its database."""
    settings = replace(
        served.settings,
        server=replace(served.settings.server, port=free_port()),
        database=replace(served.settings.database, port=free_port()),
    )
    url = f"http://127.0.0.1:{settings.server.port}"
    async with (
        serving(settings),
        httpx2.AsyncClient(base_url=url, headers=bearer("admin"), timeout=70) as client,
    ):
        yield client
