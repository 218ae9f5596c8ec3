"""The keys that tokens are checked with: a shared secret, or a public key. With a public one HS256 does not exist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from joserfc.errors import JoseError
from joserfc.jwk import OctKey, RSAKey

from codeai.settings_values import LEAST_RSA_BITS

HMAC = ("HS256", "HS384", "HS512")
RSA = ("RS256", "RS384", "RS512")


class InvalidToken(Exception):
    """Why a token is refused, in one line, without the token."""


class KeysAway(Exception):
    """No token can be judged: the keys were never read, and cannot be read now."""


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """A key with the only algorithms that it is used for; one that is read anew is another."""

    key: OctKey | RSAKey
    algorithms: tuple[str, ...]


class Keys(Protocol):
    """Where keys come from."""

    async def key(self, key_id: object) -> Key:
        """The key of a header's `kid`. Raises InvalidToken where there is none, and KeysAway."""


class FixedKey:
    """One key, whatever tokens call it."""

    def __init__(self, key: Key) -> None:
        self._key = key

    async def key(self, key_id: object) -> Key:  # noqa: ARG002 (as Keys has it)
        return self._key


def shared_secret(secret: str) -> FixedKey:
    """HS256, HS384 and HS512 with a secret that the settings have looked at."""
    return FixedKey(Key(OctKey.import_key(secret), HMAC))


def public_key(pem: str) -> FixedKey:
    """RS256, RS384 and RS512 with a PEM key that the settings have looked at."""
    return FixedKey(Key(RSAKey.import_key(pem), RSA))


def key_of_jwk(jwk: dict[str, Any]) -> Key | None:
    """A member of a JWKS; None where it is not one to check our tokens with (RFC 7517, 4)."""
    if jwk.get("kty") != "RSA" or jwk.get("use", "sig") != "sig":
        return None
    operations, algorithm = jwk.get("key_ops"), jwk.get("alg")
    if operations is not None and (not isinstance(operations, list) or "verify" not in operations):
        return None
    if algorithm is not None and algorithm not in RSA:
        return None
    try:
        # Of a private key that somebody published by mistake only the public half is taken.
        key = RSAKey.import_key({"kty": "RSA", "n": jwk["n"], "e": jwk["e"]})
        bits = key.public_key.key_size
    except (JoseError, KeyError, ValueError, TypeError):
        return None
    if bits < LEAST_RSA_BITS:
        return None
    return Key(key, RSA if algorithm is None else (str(algorithm),))
