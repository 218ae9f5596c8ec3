"""The parts of the stack as children: what starts each, with which settings, and when it is ready."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codeai import signing
from codeai.sealing import public_of
from codeai.settings import ROWS, Settings
from codeai.stack.folder import DataFolder
from codeai.stack.processes import Command
from codeai.stack.tokens import AUDIENCE, ISSUER

OWN = ("database", "temporal", "jwt", "seal", "approvals")
"""Sections of which every child is told by name what it needs."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the parts listen on 127.0.0.1."""

    api: int
    temporal: int
    ui: int
    postgres: int


@dataclass(frozen=True, slots=True)
class Passwords:
    """Made anew at each start."""

    owner: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    worker: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    api: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)


@dataclass(frozen=True, slots=True)
class Environments:
    """What our own processes are told: each child gets the settings, and the one password that it needs."""

    folder: DataFolder
    settings: Settings
    ports: Ports
    passwords: Passwords
    own_postgres: bool
    own_temporal: bool
    database: str = "codeai"

    @property
    def workspace_roots(self) -> tuple[Path, ...]:
        """Below which folders may be copied: what is set, else the folder that `up` was started in."""
        return self.settings.worker.workspace_roots or (Path.cwd(),)

    def migrate(self) -> dict[str, str]:
        """For `codeai migrate up`, which makes the roles and so knows all their passwords."""
        owner = {"DATABASE_USER": "codeai_owner", "DATABASE_PASSWORD": self.passwords.owner}
        given = self.settings.database
        kept = {"DATABASE_USER": given.user, "DATABASE_PASSWORD": given.password or ""}
        logins = {**self._login("worker"), **self._login("api")}
        return self._base() | self._postgres() | (owner if self.own_postgres else kept) | logins

    def worker(self) -> dict[str, str]:
        own = {
            "CODEAI_WORKER_ROOT": str(self.folder.workspaces),
            "CODEAI_WORKER_READY_FILE": str(self.folder.worker_ready),
            "CODEAI_WORKER_HOST_LOST_AFTER": "never",
            "CODEAI_WORKER_PRIVATE": str(self.folder.path),
        }
        if not self.settings.worker.workspace_roots:
            own["CODEAI_WORKSPACE_ROOTS"] = str(self.workspace_roots[0])
        if self.settings.seal.private_key:
            own["CODEAI_SEAL_PRIVATE_KEY"] = ",".join(self.settings.seal.private_key)
        else:
            own["CODEAI_SEAL_PRIVATE_KEY_FILE"] = str(self.folder.seal_key)
        given = self.settings.approvals
        if given.private_key is None:
            own["CODEAI_APPROVALS_PUBLIC_KEY"] = self.folder.make_signing_key()
        else:
            own["CODEAI_APPROVALS_PUBLIC_KEY"] = ",".join(given.public_key) or signing.public_of(
                given.private_key
            )
        own["CODEAI_APPROVALS_REQUIRE_API"] = str(given.require_api).lower()
        return self._base() | self._postgres() | self._temporal() | self._login("worker") | own

    def api(self) -> dict[str, str]:
        jwt = self.settings.jwt
        own = {
            "CODEAI_SERVER_HOST": self.settings.server.host,
            "CODEAI_SERVER_PORT": str(self.ports.api),
            "CODEAI_SERVER_DATA": str(self.folder.path),
            "JWT_ISSUER": jwt.issuer or ISSUER,
            "JWT_AUDIENCE": jwt.audience or AUDIENCE,
            "JWT_ROLES_CLAIM": jwt.roles_claim,
            "JWT_PERMISSIONS_CLAIM": jwt.permissions_claim,
            "CODEAI_SEAL_PUBLIC_KEY": self._seal_public(),
            "CODEAI_APPROVALS_REQUIRE_API": str(self.settings.approvals.require_api).lower(),
        }
        if self.settings.approvals.private_key is None:
            own["CODEAI_APPROVALS_PRIVATE_KEY_FILE"] = str(self.folder.signing_key)
        else:
            own["CODEAI_APPROVALS_PRIVATE_KEY"] = self.settings.approvals.private_key
        if jwt.public_key is not None:
            own["JWT_PUBLIC_KEY"] = jwt.public_key
        elif jwt.jwks_url is not None:
            own["JWKS_URL"] = jwt.jwks_url
        elif jwt.secret is None:
            own["JWT_SECRET_FILE"] = str(self.folder.jwt_secret)
        else:
            own["JWT_SECRET"] = jwt.secret
        return self._base() | self._postgres() | self._temporal() | self._login("api") | own

    def _base(self) -> dict[str, str]:
        """The user's environment without what would name another database, server or secret."""
        ours = {name for row in ROWS if row.section in OWN for name in row.names}
        ours |= {f"{name}_FILE" for name in ours}
        return {
            name: value
            for name, value in os.environ.items()
            if name not in ours and not name.startswith("TEMPORAL_")
        }

    def _seal_public(self) -> str:
        """What belongs to the private key in force."""
        given = self.settings.seal
        if given.private_key:
            return given.public_key or public_of(given.private_key[0])
        return self.folder.make_seal_key()

    def _postgres(self) -> dict[str, str]:
        given = self.settings.database
        host, port, name, sslmode = given.host, given.port, given.name, given.sslmode
        if self.own_postgres:
            host, port, name, sslmode = "127.0.0.1", self.ports.postgres, self.database, "disable"
        return {
            "DATABASE_HOST": host,
            "DATABASE_PORT": str(port),
            "DATABASE_NAME": name,
            "DATABASE_SSLMODE": sslmode,
        }

    def _temporal(self) -> dict[str, str]:
        if self.own_temporal:
            return {
                "TEMPORAL_ADDRESS": f"127.0.0.1:{self.ports.temporal}",
                "TEMPORAL_NAMESPACE": "default",
                "TEMPORAL_TLS": "false",
            }
        return {name: value for name, value in os.environ.items() if name.startswith("TEMPORAL_")}

    def _login(self, who: str) -> dict[str, str]:
        user = getattr(self.settings.database, f"{who}_user")
        password = getattr(self.settings.database, f"{who}_password")
        if self.own_postgres or password is None:
            password = getattr(self.passwords, who)
        prefix = f"CODEAI_DATABASE_{who.upper()}"
        return {f"{prefix}_USER": user, f"{prefix}_PASSWORD": password}


def codeai(
    name: str, words: tuple[str, ...], environment: Mapping[str, str], umask: int | None = None
) -> Command:
    """One of our own processes, in the folder where `up` was started."""
    argv = (sys.executable, "-m", "codeai.cli.main", *words)
    return Command(name, argv, Path.cwd(), environment, umask=umask)


async def http_ok(port: int, path: str, host: str = "127.0.0.1") -> bool:
    """Whether a GET is answered with 200."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(
                    f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()
                )
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
