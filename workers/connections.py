"""What a worker is connected to: Temporal, and the database as the role that writes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import TLSConfig

from codeai.persistence.engine import Address, Database
from codeai.settings import DatabaseSettings, TemporalSettings

logger = structlog.get_logger(__name__)

AGAIN = 0.5
"""Seconds between two tries to reach Temporal."""


async def connect_temporal(settings: TemporalSettings) -> Client:
    """A client, as soon as Temporal answers: who starts a worker before the server finds it working later."""
    while True:
        try:
            return await Client.connect(
                settings.address,
                namespace=settings.namespace,
                api_key=settings.api_key,
                tls=tls_of(settings),
                data_converter=pydantic_data_converter,
            )
        except RuntimeError as problem:
            logger.warning(
                "Temporal does not answer yet", address=settings.address, problem=str(problem)[:200]
            )
            await asyncio.sleep(AGAIN)


def tls_of(settings: TemporalSettings) -> TLSConfig | bool:
    """Temporal's TLS as the settings say it. OSError where a file cannot be read."""
    paths = (
        settings.tls_server_ca_cert_path,
        settings.tls_client_cert_path,
        settings.tls_client_key_path,
    )
    if not any((*paths, settings.tls_server_name)):
        return settings.tls or settings.api_key is not None
    ca, certificate, key = (_read(path) for path in paths)
    return TLSConfig(
        server_root_ca_cert=ca,
        domain=settings.tls_server_name,
        client_cert=certificate,
        client_private_key=key,
    )


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
    )


def _read(path: Path | None) -> bytes | None:
    return path.read_bytes() if path is not None else None
