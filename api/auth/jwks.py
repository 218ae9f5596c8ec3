"""Keys from a JWKS URL: read when they are needed, kept for a while, and kept on while the URL does not answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import structlog

from codeai.api.auth.keys import InvalidToken, Key, KeysAway, key_of_jwk
from codeai.integration.client import Client
from codeai.integration.exchange import Sending
from codeai.integration.unanswered import Unanswered
from codeai.workflows.contracts.decoding import InvalidInput, read_json

FRESH = 300.0
"""Seconds for which a set is used without asking again."""
COOL_DOWN = 30.0
"""Seconds between two times that an unknown `kid`, or a URL that failed, makes us ask."""
FIRST_AGAIN = 1.0
"""Seconds between two attempts while there is no set at all."""
TIMEOUT = 3.0
PATIENCE = 0.5
"""Seconds that a request waits for a newer set while it has a key: a slow URL holds up nobody."""
MOST_BYTES = 1 << 20
MOST_KEYS = 100
"""Members of a set: to look at thousands holds up every request."""

logger = structlog.get_logger(__name__)
Fetch = Callable[[], Awaitable[bytes]]
"""The set's text. Raises Unread."""


class Unread(Exception):
    """Why the set could not be read, in words."""


class RemoteKeys:
    """The usable keys of a JWKS by their `kid`. However many requests need it, it is asked for once at a time."""

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str | None, Key] | None = None
        self._fresh_until = float("-inf")
        self._strange_until = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def key(self, key_id: object) -> Key:
        if key_id is not None and not isinstance(key_id, str):
            raise InvalidToken("its kid is not text")
        if self._clock() >= self._fresh_until:
            await self._read(None if self._known(key_id) is None else PATIENCE)
        found = self._known(key_id)
        if found is None and self._keys is not None and self._clock() >= self._strange_until:
            # Perhaps the keys have just been rotated. Anybody can make up a `kid`: not more often than this.
            self._strange_until = self._clock() + COOL_DOWN
            await self._read(None)
            found = self._known(key_id)
        if found is not None:
            return found
        if self._keys is None:
            raise KeysAway
        raise InvalidToken("its key (kid) is not one of the issuer's")

    def _known(self, key_id: str | None) -> Key | None:
        """A token without `kid` means the only key there is."""
        keys = self._keys or {}
        if key_id is None:
            return next(iter(keys.values())) if len(keys) == 1 else None
        return keys.get(key_id)

    async def _read(self, within: float | None) -> None:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._renew())
        try:
            async with asyncio.timeout(within):
                await asyncio.shield(self._reading)
        except TimeoutError:
            self._fresh_until = self._clock() + TIMEOUT  # by then it has ended, and says for how long

    async def _renew(self) -> None:
        """Takes the set that is published now. What cannot be read changes nothing."""
        try:
            self._keys = keys_in(await self._fetch())
            self._fresh_until = self._clock() + FRESH
        except Unread as problem:
            logger.warning("keys of tokens not read", reason=str(problem), kept=self._keys is not None)
            self._fresh_until = self._clock() + (FIRST_AGAIN if self._keys is None else COOL_DOWN)


def keys_in(text: bytes) -> dict[str | None, Key]:
    """The usable keys of a set by their `kid`. Raises Unread for what is none."""
    try:
        found = read_json(text)
    except InvalidInput as problem:
        raise Unread(f"it is no JSON: {problem}") from None
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise Unread("it is no JSON web key set")
    if len(listed) > MOST_KEYS:
        raise Unread(f"it has more than {MOST_KEYS} keys")
    keys: dict[str | None, Key] = {}
    for jwk in listed:
        key = key_of_jwk(jwk) if isinstance(jwk, dict) else None
        if key is not None and isinstance(jwk.get("kid"), str | None):
            keys[jwk.get("kid")] = key
    return keys


def fetched_by(client: Client, url: str) -> Fetch:
    """Asks the URL through the integration client."""
    sending = Sending(
        "GET",
        url,
        f"GET {urlsplit(url).hostname} (keys)",
        {"accept": "application/json"},
        timeout=TIMEOUT,
        retry=0,
        follow=False,  # the settings name whose keys count, not who answers there
    )

    async def fetch() -> bytes:
        try:
            answer = await client.send(sending)
        except Unanswered as problem:
            raise Unread(problem.reason) from None
        if answer.status != 200:
            raise Unread(f"it answered {answer.status}")
        if len(answer.body) > MOST_BYTES:
            raise Unread(f"it has more than {MOST_BYTES:,} bytes")
        return answer.body

    return fetch
