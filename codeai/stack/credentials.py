"""The tokens of this user's command line, one per server, and where he started a platform last."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codeai.stack.folder import write_private


@dataclass(frozen=True, slots=True)
class Credentials:
    """`codeai/credentials.json` in the user's configuration folder, mode 0600."""

    path: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Credentials:
        base = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME") or Path.home()) / ".config"
        return cls(Path(base) / "codeai" / "credentials.json")

    def token(self, url: str) -> str | None:
        """The token for the server at `url`."""
        known = self._read().get("servers", {}).get(url, {})
        token = known.get("token") if isinstance(known, dict) else None
        return token if isinstance(token, str) else None

    def last_up(self) -> Path | None:
        """The data folder of the platform that was started last."""
        last = self._read().get("last_up")
        return Path(last) if isinstance(last, str) else None

    def keep(self, url: str, token: str, last_up: Path | None = None) -> None:
        """Keeps the token of a server. Raises OSError where the folder cannot be written."""
        with self._held():
            content = self._read()
            servers = content.get("servers")
            content["servers"] = (servers if isinstance(servers, dict) else {}) | {url: {"token": token}}
            if last_up is not None:
                content["last_up"] = str(last_up)
            write_private(self.path, json.dumps(content, indent=2) + "\n")

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.path.parent / ".credentials.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
