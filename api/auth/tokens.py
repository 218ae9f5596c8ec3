"""Bearer tokens: how they are verified, for every request. Which keys and algorithms count is a `Keys`."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError

from codeai.api.auth.keys import InvalidToken, Key, Keys
from codeai.workflows.contracts.decoding import InvalidInput, read_json

MOST_BYTES = 8 * 1024
"""Length of an Authorization header."""
LONGEST_LIFE = timedelta(days=90)
LEEWAY = 10.0
"""Seconds that two clocks may differ: for `nbf` and `iat`, never for `exp`."""
MOST_KNOWN = 1000
"""Tokens that are known again: the last ones that were sent."""
_REFUSED_HEADERS = ("crit", "b64", "zip", "jku", "jwk", "x5u", "x5c")


@dataclass(frozen=True, slots=True)
class Verifier:
    """Checks tokens against `keys`, `issuer` and `audience`."""

    keys: Keys
    issuer: str
    audience: str

    async def claims(self, header: str) -> dict[str, Any]:
        """The claims of an Authorization header's token. Raises InvalidToken, and KeysAway."""
        token = _bearer(header)
        claims = _signed(token, await self.keys.key(_protected(token).get("kid")))
        self._check(claims, time.time())
        return dict(claims)

    def _check(self, claims: Mapping[str, Any], now: float) -> None:
        if claims.get("iss") != self.issuer:
            raise InvalidToken("it comes from another issuer (iss)")
        audience = claims.get("aud")
        if self.audience not in (audience if isinstance(audience, list) else [audience]):
            raise InvalidToken("it is meant for another audience (aud)")
        if not isinstance(claims.get("sub"), str) or not claims["sub"]:
            raise InvalidToken("it names no subject (sub)")
        expires = _moment(claims, "exp")
        if expires is None:
            raise InvalidToken("it never expires (exp)")
        if expires <= now:
            raise InvalidToken("it has expired; make a new one: codeai token create")
        if expires > now + LONGEST_LIFE.total_seconds() + LEEWAY:
            raise InvalidToken(f"it is valid for more than {LONGEST_LIFE.days} days (exp)")
        for name in ("nbf", "iat"):
            moment = _moment(claims, name)
            if moment is not None and moment > now + LEEWAY:
                raise InvalidToken(f"it is not valid yet ({name})")


@lru_cache(MOST_KNOWN)
def _signed(token: str, key: Key) -> Mapping[str, Any]:
    """The claims of a token that this key has signed, which stays so: when they hold is checked every time."""
    try:
        return jwt.decode(token, key.key, algorithms=list(key.algorithms)).claims
    except (JoseError, ValueError, TypeError):
        raise InvalidToken("its signature or algorithm is not accepted") from None


def _bearer(header: str) -> str:
    if len(header) > MOST_BYTES:
        raise InvalidToken(f"the Authorization header has more than {MOST_BYTES} bytes")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidToken("the Authorization header is not `Bearer <token>`")
    return token


@lru_cache(MOST_KNOWN)
def _protected(token: str) -> Mapping[str, Any]:
    """The token's header. Looks first at what JOSE libraries let pass: duplicate members, extensions."""
    parts = token.split(".")
    if len(parts) != 3:
        raise InvalidToken("it is not a signed JWT")
    header, _ = _object(parts[0]), _object(parts[1])
    if any(name in header for name in _REFUSED_HEADERS):
        raise InvalidToken("its header asks for what is not supported")
    return header


def _object(segment: str) -> dict[str, Any]:
    try:
        value = read_json(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (binascii.Error, ValueError, InvalidInput):
        raise InvalidToken("it is not a signed JWT") from None
    if not isinstance(value, dict):
        raise InvalidToken("it is not a signed JWT")
    return value


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidToken(f"its {name} is not a time")
    return float(value)
