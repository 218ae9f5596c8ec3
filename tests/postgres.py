"""A real Postgres for tests: one server per test run, and a migrated database for each who asks."""

from __future__ import annotations

import contextlib
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from codeai.persistence import migrate
from codeai.persistence.engine import Address, Database
from codeai.persistence.reads import Reads
from codeai.persistence.roles import API, WORKER, Login, Logins
from codeai.stack.postgres import OWNER, Cluster, free_port
from codeai.stack.processes import spawn_options

PASSWORD = "for tests only"
LOGINS = Logins(Login(WORKER, PASSWORD), Login(API, PASSWORD))
TEMPLATE = "codeai_template"


@dataclass(frozen=True)
class Server:
    """A running Postgres, and how to have databases on it."""

    port: int

    def owner(self, database: str = "postgres") -> Address:
        return Address("127.0.0.1", self.port, database, OWNER, PASSWORD)

    async def run(self, statement: str) -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=self.port, user=OWNER, password=PASSWORD, database="postgres"
        )
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    @contextlib.asynccontextmanager
    async def new(self, template: str | None = TEMPLATE) -> AsyncIterator[Address]:
        """A database as its owner sees it, dropped at the end; without a template it is empty."""
        name = f"test_{uuid.uuid4().hex}"
        await self.run(f"CREATE DATABASE {name} TEMPLATE {template or 'template1'}")
        try:
            yield self.owner(name)
        finally:
            await self.run(f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Server]:
    """A Postgres with its data in that folder, until the end of the block."""
    cluster = Cluster.at(folder)
    cluster.make(PASSWORD)
    port = free_port()
    command = cluster.command(port, {"fsync": "off", "full_page_writes": "off"})
    process = subprocess.Popen(command.argv, **spawn_options(command, subprocess.DEVNULL))
    try:
        while not cluster.ready(process.pid):
            assert process.poll() is None, "Postgres ended at once"
            time.sleep(0.02)
        yield Server(port)
    finally:
        process.send_signal(command.stop)
        process.wait()


async def make_template(server: Server) -> None:
    """The migrated database that others are copied from."""
    await server.run(f"CREATE DATABASE {TEMPLATE}")
    allowed = await migrate.up(server.owner(TEMPLATE), LOGINS)
    assert allowed == []


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One Postgres for the whole test run, in a folder with a space in its path."""
    with running(tmp_path_factory.mktemp("a server") / "postgres") as server:
        yield server


@pytest.fixture(scope="session")
async def migrated(postgres: Server) -> Server:
    """The server with a migrated template to copy from."""
    await make_template(postgres)
    return postgres


@pytest.fixture
async def address(migrated: Server) -> AsyncIterator[Address]:
    """A migrated database of the test's own, as its owner."""
    async with migrated.new() as address:
        yield address


@pytest.fixture
async def database(address: Address) -> AsyncIterator[Database]:
    """The same, connected as the workers are."""
    database = Database.connect(address.as_user(WORKER, PASSWORD))
    yield database
    await database.close()


@pytest.fixture
async def reading(address: Address) -> AsyncIterator[Reads]:
    """The same database, connected as the API is."""
    async with Reads.opened(address.as_user(API, PASSWORD)) as reads:
        yield reads
