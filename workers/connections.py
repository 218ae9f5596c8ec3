"""What a worker is connected to: Temporal, and the database as the role that writes."""

from __future__ import annotations

import asyncio
import os

import structlog
from temporalio.client import Client

from codeai.persistence.engine import Address, Database
from codeai.settings import DatabaseSettings, TemporalSettings
from codeai.temporal import connect

logger = structlog.get_logger(__name__)

AGAIN = 0.5
"""Seconds between two tries to reach Temporal."""


async def connect_temporal(settings: TemporalSettings, role: str) -> Client:
    """A client, as soon as Temporal answers: who starts a worker before the server finds it working later."""
    while True:
        try:
            return await connect(settings, identity=f"codeai worker {role} {os.getpid()}")
        except RuntimeError as problem:
            logger.warning(
                "Temporal does not answer yet", address=settings.address, problem=str(problem)[:200]
            )
            await asyncio.sleep(AGAIN)


def worker_database(settings: DatabaseSettings) -> Database:
    """The database as workers see it."""
    return Database.connect(
        Address(
            host=settings.host,
            port=settings.port,
            name=settings.name,
            user=settings.worker_user,
            password=settings.worker_password,
            sslmode=settings.sslmode,
        ),
        label="codeai worker",
        ping=False,  # Temporal repeats an activity, the runner a record
    )
