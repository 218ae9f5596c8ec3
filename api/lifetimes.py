"""How long a stream lasts: an hour, while its caller may have it, and while the server runs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from codeai.api.auth.caller import Caller
from codeai.api.auth.rolebook import RoleBook
from codeai.api.problems import Refused

LONGEST = 3600.0
"""Seconds; then the client is asked to come again."""
AGAIN_AFTER = 1000
"""Milliseconds until a client whose stream was cut comes back."""
BEGINNING = f"retry: {AGAIN_AFTER}\n\n"
"""What every stream begins with."""


@dataclass(slots=True)
class Lifetime:
    """The time of one stream, for which `caller` needs `permission`. `stopping` is set when the server stops."""

    caller: Caller
    permission: str
    roles: RoleBook
    stopping: asyncio.Event
    _until: float = field(default_factory=lambda: time.time() + LONGEST, init=False)

    async def check(self) -> None:
        """Raises Refused where the stream ends here: stopping, unauthenticated, timed_out, forbidden where the
        caller's roles permit it no more, no_database where that is not known any more."""
        if self.stopping.is_set():
            raise Refused("stopping", "the server is being stopped; come again")
        if time.time() >= self.caller.expires_at:
            raise Refused("unauthenticated", "the token has expired; come again with a new one")
        if time.time() >= self._until:
            raise Refused("timed_out", f"a stream lasts {LONGEST / 3600:.0f} h; come again")
        roles = await self.roles.roles(self.caller.named)
        if not self.caller.with_roles(roles).may(self.permission):
            raise Refused("forbidden", f"this needs the permission {self.permission}, which was taken away")


def farewell(refused: Refused) -> str:
    """The end of a stream: why, for people (a comment to clients), and when to come again."""
    return f": {refused}\nretry: {AGAIN_AFTER}\n\n"
