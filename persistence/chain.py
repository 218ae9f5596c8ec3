"""The chain of the audit log: how an entry's hash is made of it and of the one before, and where a chain is broken.

Imports nothing of the database, so that whoever holds an export can check it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

FIRST = "0" * 64
"""What stands before the first entry."""


def hash_of(entry: Mapping[str, Any]) -> str:
    """The hash of an entry: SHA-256 over its fields but `hash`, as JSON with sorted keys. `at` is a time or its text;
    a workflow that is not there is left out."""
    plain = {name: value for name, value in entry.items() if name != "hash"}
    if plain.get("workflow_id") is None:
        plain.pop("workflow_id", None)
    at = plain["at"] if isinstance(plain["at"], datetime) else datetime.fromisoformat(plain["at"])
    plain["at"] = at.astimezone(UTC).isoformat()
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(slots=True)
class Chain:
    """Follows a chain from its first entry on."""

    entries: int = 0
    last: str = FIRST

    def takes(self, entry: Mapping[str, Any]) -> bool:
        """Whether the entry is the next one, as it was written; then it is the last."""
        if (
            entry["seq"] != self.entries + 1
            or entry["previous"] != self.last
            or hash_of(entry) != entry["hash"]
        ):
            return False
        self.entries, self.last = self.entries + 1, entry["hash"]
        return True
