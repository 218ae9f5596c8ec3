"""What a worker is connected to: Temporal, and the database as the role that writes."""

from __future__ import annotations

import asyncio
import os

import structlog
from temporalio.client import Client

from codeai.metrics import Metrics
from codeai.observing import Observing
from codeai.persistence.engine import Address, Database
from codeai.settings import DatabaseSettings, TemporalSettings
from codeai.temporal import connect

logger = structlog.get_logger(__name__)

AGAIN = 0.5
"""Seconds between two tries to reach Temporal."""


async def connect_temporal(settings: TemporalSettings, role: str, observing: Observing) -> Client:
    """A client, as soon as Temporal answers: who starts a worker before the server finds it working later."""
    while True:
        try:
            return await connect(settings, f"codeai worker {role} {os.getpid()}", observing)
        except RuntimeError as problem:
            logger.warning(
                "Temporal does not answer yet", address=settings.address, problem=str(problem)[:200]
            )
            await asyncio.sleep(AGAIN)


def worker_database(settings: DatabaseSettings, slow_query: float, metrics: Metrics) -> Database:
    """The database as workers see it; what it does is counted."""
    database = Database.connect(
        Address(
            host=settings.host,
            port=settings.port,
            name=settings.name,
            user=settings.worker_user,
            password=settings.worker_password,
            sslmode=settings.sslmode,
        ),
        label="codeai worker",
        slow_query=slow_query,
        ping=False,  # Temporal repeats an activity, the runner a record
        watch=metrics.query_ended,
    )
    metrics.count_connections(database.connections_in_use)
    return database
