"""Signs the tokens that the API takes: what `codeai up` logs its command line in with, and `token create`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence

ISSUER = AUDIENCE = "codeai"
LIFETIME = 12 * 3600.0


def sign(
    secret: str,
    *,
    subject: str,
    roles: Sequence[str],
    lifetime: float = LIFETIME,
    issuer: str | None = ISSUER,
    audience: str | None = AUDIENCE,
) -> str:
    """A token (HS256) of `lifetime` seconds for `subject` with `roles`."""
    from joserfc import jwt
    from joserfc.jwk import OctKey

    now = int(time.time())
    claims = {
        "sub": subject,
        "iat": now,
        "exp": now + int(lifetime),
        "jti": str(uuid.uuid4()),
        "roles": list(roles),
    }
    claims |= {name: value for name, value in (("iss", issuer), ("aud", audience)) if value}
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(secret), algorithms=["HS256"])
