"""How every process of ours connects to Temporal: address, TLS, key and data converter from the settings."""

from __future__ import annotations

from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RetryConfig, TLSConfig

from codeai.observing import Observing
from codeai.settings import TemporalSettings


async def connect(
    settings: TemporalSettings,
    identity: str,
    observing: Observing,
    *,
    lazy: bool = False,
    retry: RetryConfig | None = None,
) -> Client:
    """A client, observed as its process is; with `lazy` it connects when it is first asked. Raises OSError for
    certificates that cannot be read, and RuntimeError where Temporal does not answer."""
    return await Client.connect(
        settings.address,
        namespace=settings.namespace,
        api_key=settings.api_key,
        tls=_tls(settings),
        data_converter=pydantic_data_converter,
        retry_config=retry,
        identity=identity,
        lazy=lazy,
        runtime=observing.runtime,
        interceptors=observing.interceptors(),
    )


def _tls(settings: TemporalSettings) -> TLSConfig | bool:
    files = (
        settings.tls_client_cert_path,
        settings.tls_client_key_path,
        settings.tls_server_ca_cert_path,
    )
    if not any(files) and settings.tls_server_name is None:
        return settings.tls or settings.api_key is not None
    certificate, key, authority = (_read(file) for file in files)
    return TLSConfig(
        client_cert=certificate,
        client_private_key=key,
        server_root_ca_cert=authority,
        domain=settings.tls_server_name,
    )


def _read(file: Path | None) -> bytes | None:
    return None if file is None else file.read_bytes()
